"""Post-processing: from probability maps to text polygons."""

from ppocr_ft.postprocess.db import Candidates, DBPostProcess

__all__ = ["Candidates", "DBPostProcess"]
