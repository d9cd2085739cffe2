"""A data set that hands its counter of epochs over with each sample, and rebuilds nothing."""

import multiprocessing

import numpy as np
from paddle.io import Dataset

from ppocr.data.imaug import create_operators

IMAGES = 4
TEXT = [[8, 8], [56, 12], [52, 44], [10, 40]]


class SimpleDataSet(Dataset):
    def __init__(self, config, mode, logger, seed=None):
        keys = config[mode]["dataset"]
        self.ops = create_operators(keys["transforms"], config["Global"])
        self.need_reset = any(ratio < 1 for ratio in keys["ratio_list"])
        self.epoch = multiprocessing.Value("i", 0)

    def next_epoch(self):
        """Called by the trainer where ``need_reset``: an entry of ``ratio_list`` is below 1."""
        self.epoch.value += 1

    def __len__(self):
        return IMAGES

    def __getitem__(self, index):
        data = {
            "image": np.zeros((64, 64, 3), np.uint8),
            "polys": np.array([TEXT], np.float32),
            "ignore_tags": np.array([False]),
            "epoch": self.epoch.value,
        }
        for op in self.ops:
            data = op(data)
        return [data["threshold_map"], data["shrink_map"]]
