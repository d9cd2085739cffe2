"""What DBPostProcess is tested against: PaddleOCR 2.10.0's class, and the released detector's maps.

Run as a script it computes the maps: ``python postprocess_reference.py OUT_DIR IMAGE...``
"""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.support import RELEASED_MODELS
from tests.support.paddleocr_wheels import wheel_dir
from tests.support.processes import environment

DATA = Path(__file__).parents[3] / "shared" / "data"
MAX_SIDE_PX = 960
IMAGE_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGE_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)


@functools.cache
def reference_class() -> type:
    """PaddleOCR 2.10.0's DBPostProcess."""
    path = wheel_dir("2.10.0") / "paddleocr" / "ppocr" / "postprocess" / "db_postprocess.py"
    spec = importlib.util.spec_from_file_location("paddleocr_2_10_0_db_postprocess", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.DBPostProcess


def reference_boxes(
    keys: dict[str, Any], prob_map: np.ndarray, source_size: Sequence[float]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Points as the real class returns them, and the scores it computes and drops."""
    post = reference_class()(**keys)
    method = "polygons_from_bitmap" if post.box_type == "poly" else "boxes_from_bitmap"
    original, scores = getattr(post, method), []

    def recorded(*args: Any) -> Any:
        result = original(*args)
        scores.extend(result[1])
        return result

    setattr(post, method, recorded)
    shape_list = np.array([[*source_size, 1.0, 1.0]])
    points = post({"maps": prob_map[None, None]}, shape_list)[0]["points"]
    return [np.asarray(polygon) for polygon in points], np.array(scores)


def image_paths() -> list[Path]:
    """Every real image, or none where the data is absent."""
    return sorted(DATA.glob("*/images/*.jpg"))


def compute_maps(images: Sequence[Path], folder: Path) -> list[Path]:
    """One ``.npz`` an image (``prob_map``, ``source_size``), made in a process of its own."""
    command = [sys.executable, __file__, str(folder), *map(str, images)]
    done = subprocess.run(
        command,
        env=environment({"FLAGS_enable_pir_api": "0"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted(folder.glob("*.npz"))


def load_maps(files: Sequence[Path]) -> Iterator[tuple[str, np.ndarray, tuple[float, float]]]:
    for file in files:
        with np.load(file) as arrays:
            height, width = arrays["source_size"].tolist()
            yield file.stem, arrays["prob_map"], (height, width)


def network_input(image: np.ndarray) -> np.ndarray:
    """The image ``(1, 3, h, w)`` at most 960 px long, sides multiples of 32, normalised."""
    ratio = min(1.0, MAX_SIDE_PX / max(image.shape[:2]))
    height, width = (max(32, round(int(side * ratio) / 32) * 32) for side in image.shape[:2])
    resized = cv2.resize(image, (width, height)).astype(np.float32) / 255
    return ((resized - IMAGE_MEAN) / IMAGE_STD).transpose(2, 0, 1)[None]


def _main(folder: Path, images: Sequence[Path]) -> None:
    import paddle

    model = RELEASED_MODELS / "ch_PP-OCRv4_det_infer" / "inference"
    paddle.enable_static()
    executor = paddle.static.Executor(paddle.CPUPlace())
    program, feeds, fetches = paddle.static.load_inference_model(str(model), executor)
    for path in images:
        image = cv2.imread(str(path))
        feed = {feeds[0]: network_input(image)}
        prob_map = executor.run(program, feed, fetches)[0][0, 0]
        name = f"{path.parents[1].name}_{path.stem}.npz"
        np.savez(folder / name, prob_map=prob_map, source_size=np.array(image.shape[:2]))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
