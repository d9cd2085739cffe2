"""The same of the border map."""

from ppocr.data.imaug.make_shrink_map import MakeShrinkMap


class MakeBorderMap(MakeShrinkMap):
    FIELD = "threshold_map"
