"""A loader whose workers live on from epoch to epoch."""

from paddle.io import BatchSampler, DataLoader

from ppocr.data.imaug import create_operators  # noqa: F401  as PaddleOCR's module has it
from ppocr.data.simple_dataset import SimpleDataSet


def build_dataloader(config, mode, device, logger, seed=None):
    dataset, keys = SimpleDataSet(config, mode, logger, seed), config[mode]["loader"]
    workers = keys["num_workers"]
    sampler = BatchSampler(dataset, shuffle=keys["shuffle"], batch_size=keys["batch_size_per_card"])
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
        return_list=True,
    )
