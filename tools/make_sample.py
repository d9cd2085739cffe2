"""Makes the sample data set.

examples:
  python tools/make_sample.py --out data/sample
  python tools/make_sample.py --out data/small --train 16 --val 8 --seed 3
  python tools/make_sample.py --out data/sample --force      (make it anew)
"""

import argparse
from pathlib import Path

from ppocr_ft.data.sample import make_sample
from ppocr_ft.errors import UserInputError

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same data set (0)")
    parser.add_argument("--train", type=int, default=120, help="training images (120)")
    parser.add_argument("--val", type=int, default=40, help="validation images (40)")
    parser.add_argument("--force", action="store_true", help="replace a sample data set")
    args = parser.parse_args()
    try:
        made = make_sample(
            args.out, seed=args.seed, train_images=args.train, val_images=args.val, force=args.force
        )
    except UserInputError as error:
        parser.exit(2, f"make_sample: {error}\n")
    print(f"{made.data_dir}: {made.train_label.name}, {made.val_label.name}")
