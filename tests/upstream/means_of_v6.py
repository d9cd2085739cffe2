"""Print the mean of the maps in each epoch in the stand-in of 2026, as JSON; its own program.

Arguments: a config as JSON, "ours" or "theirs", the last epoch. It drives the loader as PaddleOCR's
trainer does: one loader for all epochs, and the data set's counter advances where it must be reset.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

STAND_IN = Path(__file__).parent / "stand_in_v6"


def main(config_text: str, whose: str, last: int) -> None:
    sys.path.insert(0, str(STAND_IN))
    if whose == "ours":
        from ppocr_ft.upstream import install

        install()
    from ppocr.data import build_dataloader
    from ppocr.utils.save_load import load_model

    config = json.loads(config_text)
    loader = build_dataloader(config, "Train", "cpu", logging.getLogger("v6"), 1024)
    start = load_model(config, None, optimizer=object())["start_epoch"]
    found = []
    for _ in range(start, last + 1):
        if loader.dataset.need_reset:
            loader.dataset.next_epoch()
        batches = [[part.numpy() for part in batch] for batch in loader]
        found.append([[float(item.mean()) for item in part] for part in zip_of(batches)])
    print(json.dumps(found))


def zip_of(batches: list[list]) -> list[list]:
    """The samples of all batches, by map."""
    return [[item for batch in batches for item in batch[part]] for part in range(2)]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
