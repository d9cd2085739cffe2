"""The regression: the same short fine-tuning with PaddleOCR's map operators and with ours."""
