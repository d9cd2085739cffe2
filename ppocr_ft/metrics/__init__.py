"""Detection metrics: from text polygons to numbers."""

from ppocr_ft.metrics.det import DetMetric

__all__ = ["DetMetric"]
