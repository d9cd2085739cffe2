"""The networks: PaddleOCR's DB detectors, built from its names or its YAML."""
