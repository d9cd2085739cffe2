"""Global.val_ratio: every command sees the same images held out, and no run leaks one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import pytest

from ppocr_ft.commands.check.cli import main as check
from ppocr_ft.commands.eval import main as evaluate
from ppocr_ft.commands.export.run import parity_set
from ppocr_ft.commands.train.cli import main as train
from ppocr_ft.config import Config, load_config
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.errors import DataError
from ppocr_ft.factory.objects import data_set, eval_data
from ppocr_ft.runs import assemble, parts
from tests.support.pictures import noise, write_different
from tests.support.small_run import assert_refused, small_config

IMAGES, COPIES = 10, (3, 7, 8)
"""The numbers of three images that show the same."""
RATIO = "Global.val_ratio=0.3"
NOTE = "held out for Eval, by Global.val_ratio: 3 images of Train"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = small_config(tmp_path, IMAGES)
    write_different(tmp_path, IMAGES)
    for number in COPIES:
        quality = [cv2.IMWRITE_PNG_COMPRESSION, number]
        cv2.imwrite(str(tmp_path / f"{number}.png"), noise(COPIES[0]), quality)
    return path


def names(paths: Iterable[str]) -> set[str]:
    return {Path(path).stem for path in paths}


def of_train(config: Config) -> set[str]:
    return names(entry.images[0] for entry in data_set(config, "Train").entries)


def of_eval(config: Config) -> set[str]:
    return names(sample.path for sample in eval_data(config).samples())


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5])
def test_no_image_and_no_copy_is_on_both_sides(config_file: Path, ratio: float) -> None:
    config = load_config(config_file, [f"Global.val_ratio={ratio}"])
    ours, theirs = of_train(config), of_eval(config)
    assert ours | theirs == {str(i) for i in range(IMAGES)}
    assert not ours & theirs
    assert len(theirs) == round(ratio * IMAGES)
    copies = {str(i) for i in COPIES}
    assert copies <= ours or copies <= theirs


def test_neither_seed_nor_command_changes_which_images(config_file: Path) -> None:
    config = load_config(config_file, [RATIO])
    wanted = of_eval(config)
    for seed in (1, 2):
        assert of_eval(load_config(config_file, [RATIO, f"Global.seed={seed}"])) == wanted
    assert names(sample.path for sample in parity_set(config, None).samples()) == wanted
    prepared = parts.prepare(config)
    assert {str(i) for i in range(IMAGES)} - of_train(config) == wanted
    assert len(prepared.loader.data) == IMAGES - 3
    assert len(prepared.eval_images) == 3


def test_without_the_key_nothing_is_held_out(config_file: Path) -> None:
    config = load_config(config_file)
    assert len(of_train(config)) == len(of_eval(config)) == IMAGES


def test_the_sample_data_set_in_eval_gives_way(config_file: Path) -> None:
    own = load_config(config_file, [RATIO])
    sample = load_config(config_file, [RATIO, "Eval.dataset.data_dir=sample"])
    assert of_eval(sample) == of_eval(own)
    parts.prepare(sample)  # is no error as without val_ratio


def test_a_run_says_so_and_leaves_both_label_files(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = config_file.parent
    overrides = (RATIO, "Global.epoch_num=1", "Global.fit_postprocess=false")
    assert train(["-c", str(config_file), "-o", *overrides]) == 0
    out = capsys.readouterr().out
    assert out.count(NOTE) == 1
    assert f"{IMAGES - 3} training images" in out
    run = folder / "run"
    both = [
        names(entry.images[0] for entry in read_label_file(run / name, folder).entries)
        for name in ("train_part.txt", "eval_part.txt")
    ]
    config = load_config(config_file, [RATIO])
    assert both == [of_train(config), of_eval(config)]

    resolved = str(run / "config.resolved.yml")
    best = f"Global.checkpoints={run / 'best_accuracy'}"
    assert evaluate(["-c", resolved, "-o", best]) == 0
    captured = capsys.readouterr()
    assert NOTE in captured.out + captured.err
    assert "3 images, " in captured.out

    labels = folder / "label.txt"
    lines = labels.read_text(encoding="utf-8").splitlines(keepends=True)
    gone = next(line for line in lines if line.split(".png")[0] in both[1])
    labels.write_text("".join(line for line in lines if line != gone), encoding="utf-8")
    with pytest.raises(DataError, match="holds out other images than the run that goes on"):
        assemble.training(load_config(config_file, [RATIO]), run / "latest.pdstate")


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["train", "dry run"])
def test_images_of_its_own_in_eval_are_a_contradiction(
    more: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*more, "-o", RATIO, "Eval.dataset.label_file_list=[val.txt]"]
    part = "Global.val_ratio: holds images of Train out for Eval, but Eval.dataset names its own"
    assert_refused(train, words, part, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("value", ["1", "-0.1", "half"])
def test_what_is_no_share(value: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Global\.val_ratio"):
        load_config(small_config(tmp_path), [f"Global.val_ratio={value}"])


@pytest.mark.parametrize(("images", "code"), [(1, 2), (2, 0)])
def test_check_says_what_is_held_out_or_why_nothing_can_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], images: int, code: int
) -> None:
    config = small_config(tmp_path, images)
    write_different(tmp_path, images)
    words = ["-c", str(config), "--no-weights", "--samples", "0", "--json", "-o", RATIO]
    assert check(words) == code
    said = json.loads(capsys.readouterr().out)
    rules = [issue["rule"] for issue in said["issues"] if issue["severity"] == "error"]
    assert rules == (["held-out"] if code else [])
    assert (NOTE.replace("3 images", "1 image") in said["notes"]) == (not code)
