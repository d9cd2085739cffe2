"""The command ``convert``: labels of other tools to PaddleOCR's."""
