"""Does `rank` put images first on which the detector errs? Labelled images, labels unseen.

Usage: make rank-table (python -m experiments.rank_table). The training part of a set is ranked by
the released weights, as shipped; then its labels say how good the boxes of the first, the
middle and the last third are. It prints the table and puts it into docs/rank.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from experiments.marked_tables import Table, replaced
from experiments.real_sets.sets import CONFIG, ROOT, RealSet, sets_of, written
from ppocr_ft.commands.common import command, import_paddle
from ppocr_ft.config import load_config
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.metrics import DetMetric
from ppocr_ft.utils.progress import progress

OUTPUT = ROOT / "output" / "rank_table"
DOCUMENT = ROOT / "docs" / "rank.md"
SETS = ("receipts", "sample", "icdar2015")
THIRDS = ("first", "middle", "last")
HEADER = ("set", "images", *(f"hmean, {third} third" for third in THIRDS))


def row(real: RealSet) -> list[str]:
    """Rank the training part of a set; return hmean of each third of its order."""
    from ppocr_ft.commands.rank.run import Pool, rank
    from ppocr_ft.factory import objects

    labels = written(real.train, OUTPUT / f"{real.name}.txt")
    entries = {e.images[0]: e.texts for e in read_label_file(labels, real.data_dir).entries}
    config = load_config(CONFIG)
    pool = Pool(objects.image_files(config, list(entries)), None, ())
    ranked = list(rank(config, pool, progress).first())
    hmeans = []
    for part in np.array_split(np.arange(len(ranked)), len(THIRDS)):
        metric = DetMetric()
        for _, image in (ranked[i] for i in part.tolist()):
            texts = entries[image.path]
            polygons = [texts.polygons[i] for i in range(len(texts))]
            metric.update(image.boxes["points"], polygons, texts.ignored)
        hmeans.append(f"{metric.summary()['hmean']:.4f}")
    return [real.name, str(len(ranked)), *hmeans]


@command
def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, metavar="N", help="the first N of each set (all)")
    options = parser.parse_args(argv)
    sets = sets_of(SETS, options.images)
    import_paddle()
    table = Table("rank", HEADER, [row(real) for real in sets])
    print(f"\n{table.markdown()}")
    if options.images is None and len(sets) == len(SETS):
        document = replaced(DOCUMENT.read_text(encoding="utf-8"), table)
        DOCUMENT.write_text(document, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
