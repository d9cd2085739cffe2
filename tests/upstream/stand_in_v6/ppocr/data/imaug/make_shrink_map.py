"""An operator whose map is its ratio, so that a test reads it off."""

import numpy as np


class MakeShrinkMap:
    FIELD = "shrink_map"

    def __init__(self, shrink_ratio=0.4, total_epoch=None, **kwargs):
        self.shrink_ratio, self.total_epoch = shrink_ratio, total_epoch

    def __call__(self, data):
        ratio = self.shrink_ratio
        if self.total_epoch and "epoch" in data:
            ratio += 0.2 * data["epoch"] / self.total_epoch
        return {**data, self.FIELD: np.full((1, 1), ratio, np.float32)}
