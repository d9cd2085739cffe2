"""An export is whole or not there; operators that no detector needs are not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr_ft.data.images import EvalSample
from ppocr_ft.errors import ConfigError, WeightsError
from ppocr_ft.export.parity import compare
from ppocr_ft.export.runtime import check_operators, open_model
from ppocr_ft.export.write import atomic_dir
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.weights.released import DEFAULT_MODEL, released_model


def filled(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("old", encoding="utf-8")
    return folder


def test_a_new_export_takes_an_earlier_ones_place(tmp_path: Path) -> None:
    folder = filled(tmp_path / "model", "inference.pdmodel", "inference.onnx")
    filled(folder / ".cache", "x")
    with atomic_dir(folder) as aside:
        (aside / "inference.json").write_text("new", encoding="utf-8")
        assert (folder / "inference.onnx").read_text(encoding="utf-8") == "old"
    assert [path.name for path in folder.iterdir()] == ["inference.json"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_fails_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "model"

    def fail() -> None:
        with atomic_dir(folder) as aside:
            (aside / "inference.json").write_text("half", encoding="utf-8")
            raise error

    with pytest.raises(error):
        fail()
    assert not list(tmp_path.iterdir())


def test_other_peoples_files_are_not_replaced(tmp_path: Path) -> None:
    folder = filled(tmp_path / "model", "inference.json", "notes.txt")
    with pytest.raises(ConfigError, match=r"notes\.txt"), atomic_dir(folder):
        pytest.fail("it must be known before anything is made")
    assert len(list(folder.iterdir())) == 2


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="other things"), atomic_dir(place):
        pytest.fail("it must be known before anything is made")


def pir(*operators: Any) -> str:
    return json.dumps({"program": {"regions": [{"blocks": [{"ops": list(operators)}]}]}})


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (pir({"#": "1.relu"}, {"#": "1.save_combine"}), "1.save_combine"),
        (pir({"#": "1.relu", "regions": [{"blocks": [{"ops": [{"#": "1.py_func"}]}]}]}), "py_func"),
        (pir(), "no operators"),
        ("{}", "no program"),
        ("[1]", "no program"),
        ("not JSON", "no program"),
    ],
)
def test_a_program_with_other_operators_is_not_run(text: str, part: str, tmp_path: Path) -> None:
    program = tmp_path / "inference.json"
    program.write_text(text, encoding="utf-8")
    (tmp_path / "inference.pdiparams").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"inference\.json") as caught:
        check_operators(program)
    assert part in str(caught.value)


def test_a_program_that_only_computes_may_be_run(tmp_path: Path) -> None:
    program = tmp_path / "inference.json"
    program.write_text(pir({"#": "p"}, {"#": "1.conv2d"}, {"#": "1.relu_"}, {"#": "1.gelu"}))
    check_operators(program)


@pytest.mark.parametrize(
    ("operator", "message"), [(b"py_func", "py_func"), (b"sigmoi\xff", "isn't text")]
)
def test_an_older_program_with_other_operators_is_not_run(
    operator: bytes, message: str, tmp_path: Path
) -> None:
    released = released_model(DEFAULT_MODEL) / "inference.pdmodel"
    check_operators(released)
    program = tmp_path / "inference.pdmodel"
    content = released.read_bytes()
    assert content.count(b"\x1a\x07sigmoid") == 1
    program.write_bytes(content.replace(b"\x1a\x07sigmoid", b"\x1a\x07" + operator))
    with pytest.raises(WeightsError, match=message):
        check_operators(program)


@pytest.mark.parametrize(
    ("names", "error", "part"),
    [
        (["best.pdparams"], WeightsError, "is no exported model"),
        (["inference.json", "inference.pdiparams"], ConfigError, "inference.yml"),
        (["inference.pdiparams"], WeightsError, "needs"),
    ],
)
def test_a_folder_that_is_no_export_says_what_lacks(
    names: list[str], error: type[ValueError], part: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        open_model(filled(tmp_path / "model", *names))
    assert part in str(caught.value)


MAP_SIZE = (64, 160)


class Model:
    """A runtime that gives the network's map, changed."""

    def __init__(self, change: Any) -> None:
        self.settings = self  # its post_process is all that is read
        self.post_process = DBPostProcess(unclip_ratio=1.5)
        self.change = change

    def read(self, path: str) -> EvalSample:
        return image()

    def run(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(self.change(prob_map()), np.float32)[np.newaxis, np.newaxis]


def image() -> EvalSample:
    label = np.array([[10, 10], [60, 10], [60, 24], [10, 24]])
    shape = np.array([*MAP_SIZE, 1.0, 1.0])
    return EvalSample(
        np.zeros((3, *MAP_SIZE), np.float32), shape, "a.png", (label,), np.zeros(1, bool)
    )


def prob_map() -> np.ndarray:
    made = np.full(MAP_SIZE, 0.01, np.float32)
    for x in (14, 84):
        made[14:21, x : x + 40] = 0.9
    made[20, 14] = 0.30004  # a corner that lies at the threshold
    return made


def shifted(by: int) -> Any:
    return lambda made: np.roll(made, by, axis=1)


def off(by: float, share: float) -> Any:
    """So large a share of the map's pixels, the first ones, is off by so much."""

    def change(made: np.ndarray) -> np.ndarray:
        found = made.copy()
        found.ravel()[: round(share * found.size)] += by
        return found

    return change


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        pytest.param(lambda made: made, [], id="the same"),
        pytest.param(lambda made: made - 9e-5, [], id="a pixel falls to the other side"),
        pytest.param(lambda made: made + 2e-4, ["100.00% of a map differ"], id="a bit everywhere"),
        pytest.param(off(4e-4, 0.0001), [], id="one pixel of 10,240, as rounding may"),
        pytest.param(off(4e-4, 0.001), ["0.10% of a map differ"], id="ten pixels"),
        pytest.param(off(2e-3, 0.0001), ["maps differ by 0.002"], id="one pixel, too far"),
        pytest.param(lambda made: made * np.nan, ["maps differ"], id="NaN"),
        pytest.param(shifted(8), ["maps differ", "4 boxes not the same"], id="moved boxes"),
        pytest.param(lambda made: made[:32], ["another size"], id="another size"),
    ],
)
def test_what_counts_as_equal(change: Any, parts: list[str]) -> None:
    judged = [(image(), prob_map())]
    models: Any = {"it": Model(change)}
    parity = compare(judged, DBPostProcess(unclip_ratio=1.5), models)
    assert parity.boxes == 2
    assert bool(parity.faults()) == bool(parts)
    for part in parts:
        assert any(part in fault for fault in parity.faults()), parity.faults()


def test_a_change_of_hmean_is_a_fault() -> None:
    models: Any = {"it": Model(lambda made: np.zeros_like(made))}
    parity = compare([(image(), prob_map())], DBPostProcess(unclip_ratio=1.5), models)
    assert any("hmean is 0.0000" in fault for fault in parity.faults())


def test_no_image_is_no_proof() -> None:
    with pytest.raises(ValueError, match="no image"):
        compare([], DBPostProcess(), {})
