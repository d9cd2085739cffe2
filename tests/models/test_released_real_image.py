"""The released weights in our folded network are the inference program, on a real page."""

from __future__ import annotations

from pathlib import Path

import cv2
import paddle
import pytest

from ppocr_ft.config import load_config
from ppocr_ft.factory import objects
from tests.support.nets_reference import assert_same_maps
from tests.support.postprocess_reference import compute_maps, load_maps, network_input
from tests.support.samples import pictures_of

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "configs" / "det_v4_ft.yml"


@pytest.mark.parametrize(
    "name",
    ["sample/images/val_0000.jpg", "receipts/images/100.jpg", "icdar2015_mini/images/img_1.jpg"],
)
def test_maps_equal_the_programs(name: str, tmp_path: Path) -> None:
    folder, _, file = name.partition("/")
    path = pictures_of(folder) / file
    ((_, wanted, _),) = load_maps(compute_maps([path], tmp_path))
    network, _ = objects.network(load_config(CONFIG))
    network.eval()
    with paddle.no_grad():
        maps = network(paddle.to_tensor(network_input(cv2.imread(str(path)))))["maps"]
    assert_same_maps(maps.numpy()[0, 0], wanted)
