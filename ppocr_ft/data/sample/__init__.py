"""The sample data set: instrument panels, packages and name plates, drawn from a seed.

One quad per text *field*, gaps between its characters included. Scales, keys, codes, icons and
displays that are off are no text.
"""

from ppocr_ft.data.sample.store import make_sample
from ppocr_ft.data.sample_set import SampleSet

__all__ = ["SampleSet", "make_sample"]
