"""Put the operators into a PaddleOCR: its YAML, its data set, its loader, its trainer.

``python -m ppocr_ft.upstream path/to/PaddleOCR/tools/train.py -c ...`` does it for one run.
"""

from ppocr_ft.upstream.patch import install, uninstall

__all__ = ["install", "uninstall"]
