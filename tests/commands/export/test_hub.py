"""`export --hub-folder`: what both hubs read, and nothing of the machine that it was made on."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ppocr_ft.commands.export.cli import main
from ppocr_ft.commands.export.hub import (
    base_model,
    check_hub_folder,
    front_matter,
    how_to_push,
    write_hub_folder,
)
from ppocr_ft.commands.export.run import Exported, last_part
from ppocr_ft.config import Config, load_config
from ppocr_ft.errors import ConfigError
from ppocr_ft.export.parity import Parity, ParityResult
from ppocr_ft.export.settings import MODEL_NAMES, SEAL_NAMES
from ppocr_ft.export.write import Formats
from ppocr_ft.runs.weights_origin import WeightsOrigin
from ppocr_ft.weights import CoverageReport
from tests.support import ROOT
from tests.support.small_run import small_config

MODEL_FILES = {"inference.json", "inference.pdiparams", "inference.yml", "parity.json"}
RUN_FILES = {"results.png", "before_after.jpg", "val_best.jpg"}
ABSOLUTE = re.compile(r"(?<![\w.:/<])/(?:\w[\w.-]*/)+[\w.-]+")
"""A path from the root of a file system, not within a URL."""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A run that began with released weights, and an export of its best ones beside it."""
    text = small_config(tmp_path).read_text(encoding="utf-8")
    resolved = text.replace("pretrained_model: null", "pretrained_model: released")
    run, model = tmp_path / "run", tmp_path / "model"
    run.mkdir()
    model.mkdir()
    (run / "config.resolved.yml").write_text(resolved, encoding="utf-8")
    for path in (*(run / name for name in RUN_FILES), *(model / name for name in MODEL_FILES)):
        path.write_bytes(path.name.encode())
    (model / "model_card.md").write_text(f"weights of {run}", encoding="utf-8")
    return tmp_path


def config_of(made: Path, *more: str, weights: str = "run/best_accuracy") -> Config:
    values = [f"Global.checkpoints={made / weights}", f"Global.save_inference_dir={made / 'model'}"]
    return load_config(made / "c.yml", [*values, *more])


def written(made: Path, config: Config, step: int | None = 8, **options: Any) -> list[str]:
    rates = {"hmean": 0.9, "hmean_70": 0.8}
    parity = Parity(2, 12, rates, {"Paddle": ParityResult(boxes=12, rates=rates)})
    coverage = CoverageReport(str(config.Global.checkpoints), (), ())
    exported = Exported(made / "model", parity, coverage, WeightsOrigin(step), [])
    return write_hub_folder(config, exported, Formats(), made / "hub", **options)


def card(made: Path) -> tuple[dict[str, Any], str]:
    """The YAML of the hub folder's card, and what follows it."""
    _, front, text = (made / "hub" / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), text


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_fine_tuned_model_with_its_curves_and_no_images(made: Path) -> None:
    assert written(made, config_of(made)) == []
    assert names(made / "hub") == MODEL_FILES | {"README.md", "LICENSE", "results.png"}
    front, text = card(made)
    assert front["license"] == "apache-2.0"
    assert front["base_model"] == "PaddlePaddle/PP-OCRv3_mobile_det"
    assert "# PP-OCRv3_mobile_det, fine-tuned" in text
    assert "](results.png)" in text
    assert "| weights | best_accuracy |" in text
    assert f"| trained on | {made.name}: label.txt |" in text
    assert (made / "hub" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert not list(made.glob(".*.part"))


def test_a_picture_of_images_only_if_asked_for(made: Path) -> None:
    assert written(made, config_of(made), images=True) == []
    assert names(made / "hub") & RUN_FILES == {"results.png", "before_after.jpg"}
    assert "](before_after.jpg)" in card(made)[1]
    (made / "run" / "before_after.jpg").unlink()
    (made / "run" / "results.png").unlink()
    assert written(made, config_of(made), images=True) == []
    assert names(made / "hub") & RUN_FILES == {"val_best.jpg"}


def test_a_start_has_no_figures_of_the_run_but_its_licence(made: Path) -> None:
    notes = written(made, config_of(made), step=0, images=True)
    assert names(made / "hub") == MODEL_FILES | {"README.md", "LICENSE"}
    assert len(notes) == 1
    assert "--hub-pictures" in notes[0]


@pytest.mark.parametrize(
    ("step", "weights", "start"),
    [
        pytest.param(None, "run/mine", "released", id="a step that is not known"),
        pytest.param(8, "elsewhere/best_accuracy", "released", id="no run"),
        pytest.param(8, "run/best_accuracy", "weights/mine.pdparams", id="another start"),
        pytest.param(8, "run/best_accuracy", "[", id="a config that can't be read"),
    ],
)
def test_no_licence_is_made_up(step: int | None, weights: str, start: str, made: Path) -> None:
    resolved = made / "run" / "config.resolved.yml"
    text = resolved.read_text(encoding="utf-8")
    resolved.write_text(text.replace(": released", f": {start}"), encoding="utf-8")
    notes = written(made, config_of(made, weights=weights), step)
    assert "add `license:`" in notes[0]
    assert "LICENSE" not in names(made / "hub")
    assert not {"license", "base_model"} & card(made)[0].keys()


def test_released_weights_themselves_are_their_base(made: Path) -> None:
    more = ["Global.checkpoints=null", "Global.pretrained_model=released"]
    assert base_model(config_of(made, *more), None, 0) == "PP-OCRv3_mobile_det"


def test_no_text_says_where_files_lie(made: Path) -> None:
    more = [
        f"Global.pretrained_model={made / 'weights' / 'start.pdparams'}",
        f"Train.dataset.data_dir={made / 'photos'}",
        f"Eval.dataset.label_file_list=[{made / 'a' / 'val.txt'}]",
    ]
    written(made, config_of(made, *more))
    front, text = card(made)
    assert "start.pdparams" in text
    assert str(made) not in f"{front}{text}"
    assert ABSOLUTE.findall(f"{front}{text}") == []


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("/home/me/photos/", "photos"),
        ("photos/Label.txt", "Label.txt"),
        ("https://host/a/b.tar?token=1", "b.tar"),
        ("released", "released"),
        (".", "."),
    ],
)
def test_of_a_place_only_the_name_is_told(place: str, name: str) -> None:
    assert last_part(place) == name


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_hubs_words(name: str) -> None:
    """The keys and values of the cards of PaddlePaddle's detectors; ``tasks`` is ModelScope's."""
    front = front_matter(name, None)
    assert (front["library_name"], front["pipeline_tag"]) == ("PaddleOCR", "image-to-text")
    assert front["tasks"] == ["ocr-detection"]
    kind = "seal_text_detection" if name in SEAL_NAMES else "textline_detection"
    assert front["tags"] == ["OCR", "PaddlePaddle", "PaddleOCR", kind, "ppocr_ft"]


def test_only_an_own_folder_is_replaced(made: Path) -> None:
    config, hub = config_of(made), made / "hub"
    written(made, config)
    (hub / ".ms_upload_cache").write_bytes(b"")
    check_hub_folder(hub, config)
    written(made, config, step=0)
    assert "results.png" not in names(hub)
    (hub / "notes.txt").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"--hub-folder: .*notes\.txt"):
        check_hub_folder(hub, config)
    (hub / "notes.txt").unlink()
    (hub / "README.md").write_text("---\ntags: [OCR]\n---\nmine", encoding="utf-8")
    with pytest.raises(ConfigError, match="was not written by"):
        check_hub_folder(hub, config)
    (hub / "README.md").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="was not written by"):
        check_hub_folder(hub, config)


@pytest.mark.parametrize("place", ["model", "model/hub", "."])
def test_it_shares_no_place_with_the_model(place: str, made: Path) -> None:
    with pytest.raises(ConfigError, match="two folders"):
        check_hub_folder(made / place, config_of(made))


def test_an_empty_folder_will_do(made: Path) -> None:
    (made / "hub").mkdir()
    check_hub_folder(made / "hub", config_of(made))


def test_the_commands_to_push_can_be_pasted() -> None:
    assert how_to_push(Path("my hub")).splitlines()[1:] == [
        "  hf upload YOUR_NAME/MODEL 'my hub' .",
        "  modelscope upload YOUR_NAME/MODEL 'my hub'",
    ]


def test_pictures_need_a_folder(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", str(made / "c.yml"), "--hub-pictures"]) == 2
    assert "--hub-pictures: goes with --hub-folder" in capsys.readouterr().err


@pytest.mark.slow
def test_an_export_and_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ppocr_ft.factory.objects import starting_network
    from ppocr_ft.weights import save_trained

    config = load_config(small_config(tmp_path))
    network, _ = starting_network(config)
    save_trained(network, tmp_path / "w.pdparams", config.Architecture.arguments())
    monkeypatch.chdir(tmp_path)
    weights = f"Global.checkpoints={tmp_path / 'w.pdparams'}"
    argv = ["-c", "c.yml", "--hub-folder", "hub", "-o", weights, "Global.save_inference_dir=model"]
    assert main(argv) == 0, capsys.readouterr().err
    out, err = capsys.readouterr()
    assert "hub: README.md, inference.json" in out
    assert "hf upload YOUR_NAME/MODEL hub ." in out
    assert "add `license:`" in err
    assert names(tmp_path / "hub") == MODEL_FILES | {"README.md"}
    for path in (tmp_path / "hub").iterdir():
        content = path.read_bytes()
        for place in (tmp_path, ROOT, sys.prefix):
            assert str(place).encode() not in content, path.name
        if path.suffix in (".md", ".yml") or path.name == "parity.json":  # layers are a/b, too
            assert ABSOLUTE.findall(content.decode()) == [], path.name
    assert main(argv) == 0
    (tmp_path / "hub" / "notes.txt").write_bytes(b"mine")
    assert main(argv) == 2
