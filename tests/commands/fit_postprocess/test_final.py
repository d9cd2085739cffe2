"""The end of a training with Global.interpolate: which weights are written, and what is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ppocr_ft.commands import eval as eval_command
from ppocr_ft.commands.fit_postprocess import final
from ppocr_ft.commands.fit_postprocess.cli import fit_at_end
from ppocr_ft.commands.fit_postprocess.final import (
    Candidate,
    RunWeights,
    Trained,
    _Passes,
    with_larger_images,
)
from ppocr_ft.commands.fit_postprocess.run import PostProcessFit
from ppocr_ft.commands.fit_postprocess.search import Fitted, held_out
from ppocr_ft.commands.train import cli as train_command
from ppocr_ft.config import Config, load_config
from ppocr_ft.data.faults import FaultLog
from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.errors import ConfigError
from ppocr_ft.factory.objects import network, starting_network
from ppocr_ft.fitting.grid import Grid, LimitedResize, resize_name
from ppocr_ft.fitting.tally import Tally
from ppocr_ft.runs.folder import FINAL_FILES, FIT_FILES
from ppocr_ft.runs.weights_origin import weights_origin
from ppocr_ft.utils.progress import no_progress
from ppocr_ft.weights import read_weights, to_paddleocr, write_weights
from ppocr_ft.weights.matching import state_of
from tests.commands.fit_postprocess.test_choice import OWN
from tests.commands.fit_postprocess.test_cli import write_pages
from tests.support.config_files import SHIPPED
from tests.support.report_run import run_folder
from tests.support.small_run import small_config

pytestmark = pytest.mark.slow

RATES = ("hmean", "hmean_70")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run from random weights, and of one from its best with a choice."""
    folder = tmp_path_factory.mktemp("final")
    config = str(small_config(folder, images=9, fit=True))
    assert train_command.main(["-c", config, "-o", "Global.interpolate=true"]) == 0
    (folder / "run").rename(folder / "first")
    assert train_command.main(["-c", config, "-o", *second(folder)]) == 0
    return folder


def second(folder: Path) -> list[str]:
    return [
        "Global.interpolate=true",
        "Global.save_epoch_step=1",
        f"Global.pretrained_model={folder / 'first' / 'best_accuracy.pdparams'}",
    ]


def test_random_weights_are_no_start_to_go_back_to(runs: Path) -> None:
    log = (runs / "first" / "train.log").read_text(encoding="utf-8")
    assert "the run started from random weights" in log
    assert "PostProcess fitted to the best weights" in log
    assert load_config(runs / "first" / "fitted.yml").Global.checkpoints.endswith("best_accuracy")
    assert not set(FINAL_FILES) & {path.name for path in (runs / "first").iterdir()}


def test_the_final_weights_are_the_chosen_ones(runs: Path) -> None:
    run = runs / "run"
    record = json.loads((run / "final.json").read_text(encoding="utf-8"))
    final = read_weights(run / "final.pdparams")
    start = read_weights(runs / "first" / "best_accuracy.pdparams")
    files = [run / "best_accuracy.pdparams", run / "latest.pdparams"]
    if record["averaged"] > 1:
        files = sorted(run.glob("iter_epoch_*.pdparams"))
        assert len(files) == record["averaged"] == 3
        trained = {key: np.mean([read_weights(f)[key] for f in files], axis=0) for key in start}
        candidates = [trained]
    else:
        candidates = [read_weights(file) for file in files]
    alpha = record["alpha"]
    assert any(
        all(
            np.allclose(final[key], (1 - alpha) * start[key] + alpha * trained[key], atol=1e-6)
            for key in start
        )
        for trained in candidates
    )


def test_its_config_names_them_and_evaluates_as_was_said(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs / "run"
    config = load_config(run / "fitted.yml")
    assert config.Global.checkpoints == str(run / "final")
    assert eval_command.main(["-c", str(run / "fitted.yml"), "--json"]) == 0
    evaluated = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    record = json.loads((run / "final.json").read_text(encoding="utf-8"))
    (chosen,) = [each for each in record["candidates"] if each["name"] == record["name"]]
    assert [evaluated[rate] for rate in RATES] == pytest.approx([chosen[rate] for rate in RATES])


def test_it_says_what_was_tried_and_what_the_weights_are(runs: Path) -> None:
    run = runs / "run"
    log = (run / "train.log").read_text(encoding="utf-8")
    record = json.loads((run / "final.json").read_text(encoding="utf-8"))
    names = [each["name"] for each in record["candidates"]]
    assert names[0] == "the start"
    assert len(names) == len(set(names)) >= 5
    assert f"in {len(names)} passes over 9 images" in log
    assert f"* {Delivered.of(record).short_name} " in log
    assert "The final weights" in log
    assert "PostProcess fitted to the final weights" in log
    origin = weights_origin(load_config(run / "fitted.yml"))
    assert origin.step == (record["step"] if record["alpha"] else 0)
    assert origin.sentence in (run / "fitted.yml").read_text(encoding="utf-8")


def at_end(runs: Path, run: Path, *changes: str) -> str:
    """What the end of the second run says if it is repeated in ``run``, a copy of its folder."""
    said: list[str] = []
    given = [*second(runs), f"Global.save_model_dir={run}", *changes]
    fit_at_end(load_config(runs / "c.yml", given), run, said.append)
    return "\n".join(said)


@pytest.fixture
def copy(runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs / "run", tmp_path / "run"))


def test_what_is_tried_first_and_beside_the_best() -> None:
    best, last, mean = Trained(4, {}), Trained(8, {}), Trained(8, {}, averaged=2)
    run = RunWeights({}, (best, last), mean)
    assert run.first() == [
        *(Candidate(best, alpha) for alpha in (0.0, 0.5, 1.0)),
        Candidate(last, 1.0),
        Candidate(mean, 1.0),
    ]
    for at, beside in (
        (Candidate(best, 0.0), [(best, 0.25), (last, 0.25)]),
        (Candidate(best, 0.5), [(best, 0.25), (best, 0.5), (best, 0.75)]),
        (Candidate(last, 1.0), [(last, 0.75), (last, 1.0)]),
        (Candidate(mean, 1.0), []),
    ):
        assert list(run.neighbours(at)) == [Candidate(*each) for each in beside]


def test_the_same_again_gives_the_same(runs: Path, copy: Path) -> None:
    at_end(runs, copy)
    for name in ("final.json", "fit_postprocess.json", "fit_postprocess.csv", "final.pdparams"):
        assert (copy / name).read_bytes() == (runs / "run" / name).read_bytes()


@pytest.mark.parametrize("change", ["resumed with other weights", "an older run"])
def test_without_the_run_s_own_start_nothing_is_interpolated(
    runs: Path, copy: Path, change: str
) -> None:
    if change == "resumed with other weights":
        other = runs / "first" / "iter_epoch_2.pdparams"
        began = (copy / "weights.json").read_bytes()
        more = ["--resume", str(copy), "-o", f"Global.pretrained_model={other}"]
        assert train_command.main(more) == 0
        said = (copy / "train.log").read_text(encoding="utf-8")
        said = said[said.index("the run is finished") :]
        assert f"{other} holds other weights than those that the run started from" in said
        assert (copy / "weights.json").read_bytes() == began
    else:
        facts = json.loads((copy / "weights.json").read_text(encoding="utf-8"))
        facts.pop("digest")
        (copy / "weights.json").write_text(json.dumps(facts), encoding="utf-8")
        said = at_end(runs, copy)
        assert "weights.json does not say which weights the run started from" in said
    assert "PostProcess fitted to the best weights" in said
    assert set(FIT_FILES) <= {path.name for path in copy.iterdir()}
    assert not set(FINAL_FILES) & {path.name for path in copy.iterdir()}


LAST_BIAS = "head.binarize.conv3.bias"
SILENT = -1e4
"""Added to the last bias it leaves no text on a map, a quarter of it neither."""


@pytest.mark.parametrize(
    ("start", "trained", "alpha", "passes"),
    [(SILENT, 0.0, 1.0, 4), (0.0, SILENT, 0.0, 4)],
    ids=["training helped", "training destroyed"],
)
def test_better_weights_are_delivered_whichever_they_are(
    start: float, trained: float, alpha: float, passes: int, tmp_path: Path
) -> None:
    """The released weights and such without a text on any map, as start and as trained ones."""
    labels, again = write_pages(tmp_path), tmp_path / "again.txt"
    again.write_bytes(labels.read_bytes())
    run = run_folder(tmp_path / "run", boxes=False)  # its evaluation after step 4 is the best
    given = [
        "Global.use_gpu=false",
        "Global.interpolate=true",
        "Global.use_ema=false",
        f"Global.save_model_dir={run}",
        *(f"{split}.dataset.data_dir={tmp_path}" for split in ("Train", "Eval")),
        *(f"{split}.dataset.label_file_list=[{labels}]" for split in ("Train", "Eval")),
        "Eval.dataset.transforms.DetResizeForTest.limit_side_len=256",
        f"Eval.also={{general: {{data_dir: {tmp_path}, label_file_list: [{again}]}}}}",
    ]
    released = load_config(SHIPPED / "det_v4_ft.yml", given)
    files = {tmp_path / "start.pdparams": start, run / "best_accuracy.pdparams": trained}
    for path, added in {**files, run / "latest.pdparams": trained}.items():
        state = state_of(network(released)[0])
        state[LAST_BIAS] = state[LAST_BIAS] + np.float32(added)
        write_weights(path, to_paddleocr(state, released.Architecture.arguments()))
    given.append(f"Global.pretrained_model={tmp_path / 'start.pdparams'}")
    config = load_config(SHIPPED / "det_v4_ft.yml", given)
    report = starting_network(config)[1]
    assert report is not None
    (run / "weights.json").write_text(json.dumps({"digest": report.digest}), encoding="utf-8")

    said: list[str] = []
    fit_at_end(config, run, said.append)

    record = json.loads((run / "final.json").read_text(encoding="utf-8"))
    assert (record["alpha"], len(record["candidates"])) == (alpha, passes)
    by_alpha = {each["alpha"]: each for each in record["candidates"]}
    assert by_alpha[alpha]["hmean"] > 0.9
    assert by_alpha[1 - alpha]["hmean"] == 0
    for part in (0, alpha):  # the same images as Eval's
        assert by_alpha[part]["also"]["general"] == pytest.approx(by_alpha[part]["hmean"], abs=0.02)
    ends = {0.0: start, 1.0: trained}
    usual = state_of(network(released)[0])[LAST_BIAS]
    assert read_weights(run / "final.pdparams")[LAST_BIAS] == pytest.approx(usual + ends[alpha])
    assert "post-processing was fitted to" in "\n".join(said)  # Eval has few images
    assert f"* {'start' if alpha == 0 else 'step 4'} " in "\n".join(said)
    what = "the start: nothing beat it" if alpha == 0 else "step 4, which beat the start"
    assert f"The final weights are {what}" in (run / "fitted.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("bound", "out"), [(None, False), (0.02, True), (0.04, False)])
def test_what_loses_more_than_the_bound_elsewhere_is_left_out(
    bound: float | None, out: bool
) -> None:
    config = load_config(SHIPPED / "det_v4_ft.yml")
    section = config.Global.model_copy(update={"keep_general": bound})
    config = config.model_copy(update={"Global": section})
    start, trained = Candidate(Trained(4, {}), 0.0), Candidate(Trained(4, {}), 1.0)
    fits: Any = {start: None, trained: None}
    also = {start: {"a": 0.5, "b": 0.8}, trained: {"a": 0.9, "b": 0.77}}
    passes = _Passes(config, RunWeights({}, (), None), no_progress, fits, also)
    assert not passes.forgets(start)
    assert passes.forgets(trained) == out
    assert passes.out == ({trained} if out else set())


def fit_of(config: Config, matched: int, further: int = 0) -> PostProcessFit:
    """A fit to ten images by the matches of a thousand texts; ``further``: those of others."""
    counts = np.array([1000, matched, matched])[None, None, None, None, None, None]
    grid = Grid((0.3,), ("fast",), (1.0,), (0.6,))
    more = np.array([30_000, further, further])[None, None, None, None, None]
    tally = Tally(
        (resize_name(config),),
        grid,
        np.repeat(counts, 10, axis=0),
        np.full(10, 1000),
        *((more, 30_000) if further else ()),
    )
    held = held_out(tally, OWN, "mean", folds=5, seed=1)
    fitted = Fitted(tally, "mean", OWN, OWN, OWN, held, must_be_sure=False)
    return PostProcessFit(config, config, fitted, {}, 0, FaultLog([]))


@pytest.mark.parametrize(
    ("larger", "resize"),
    [
        pytest.param({"800:min": 905, "960:min": 910}, "960:min", id="better"),
        pytest.param({"800:min": 910, "960:min": 905}, "800:min", id="up to a point"),
        pytest.param({"800:min": 900, "960:min": 900}, "960:min", id="as good"),
        pytest.param({"800:min": 800, "960:min": 899}, "960:max", id="worse in each image"),
    ],
)
def test_images_are_enlarged_where_that_pays(
    larger: dict[str, int], resize: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(SHIPPED / "det_v4_ft.yml")
    resizes = [LimitedResize(side, "min") for side in (800, 960)]
    monkeypatch.setattr(final, "labelled", lambda config: [])
    monkeypatch.setattr(final, "enlarging", lambda config, images: resizes)
    tried: list[str] = []

    def fit_at(config: Config) -> PostProcessFit:
        tried.append(resize_name(config))
        return fit_of(config, larger[tried[-1]])

    fit, text = with_larger_images(fit_of(config, 900), fit_at)
    assert resize_name(fit.chosen) == resize
    assert tried == ["800:min", "960:min"]
    gain = larger["800:min"] / 1000 - 0.9
    assert f"800:min {gain:+.4f} +- 0.0000, 960:min" in text
    assert (f"{resize} is taken" in text) == (resize != "960:max")
    assert ("they lose, and stay as they are" in text) == (resize == "960:max")
    off = load_config(SHIPPED / "det_v4_ft.yml", ["Global.fit_scale=false"])
    assert with_larger_images(fit_of(off, 900), fit_at)[1] == ""
    assert len(tried) == 2


def test_further_images_say_too_by_how_much_images_are_enlarged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = load_config(SHIPPED / "det_v4_ft.yml")
    resizes = [LimitedResize(side, "min") for side in (640, 800)]
    monkeypatch.setattr(final, "labelled", lambda config: [])
    monkeypatch.setattr(final, "enlarging", lambda config, images: resizes)
    by_resize = {"640:min": (905, 28_500), "800:min": (910, 27_000)}
    fit, text = with_larger_images(
        fit_of(config, 900, 27_000), lambda config: fit_of(config, *by_resize[resize_name(config)])
    )
    assert resize_name(fit.chosen) == "640:min"
    assert "800:min +0.0100 +- 0.0000; 640:min is taken" in text


def test_a_bound_needs_sets_and_a_choice() -> None:
    bound, sets = "Global.keep_general=0.02", "Eval.also={a: {data_dir: ., label_file_list: [l]}}"
    with pytest.raises(ConfigError, match=r"Global\.keep_general: bounds .*; name some there"):
        load_config(SHIPPED / "det_v4_ft.yml", [bound, "Global.interpolate=true", "Eval.also={}"])
    off = load_config(SHIPPED / "det_v4_ft.yml", [bound, sets, "Global.interpolate=false"])
    assert "has no effect: it bounds the choice" in "\n".join(map(str, off.warnings))
    on = load_config(SHIPPED / "det_v4_ft.yml", [bound, sets, "Global.interpolate=true"])
    assert "keep_general" not in "\n".join(map(str, on.warnings))


def test_needs_the_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["Global.interpolate=true", "Global.fit_postprocess=false"]
    assert train_command.main(["-c", str(small_config(tmp_path)), "-o", *more]) == 2
    err = capsys.readouterr().err
    assert "Global.interpolate: is true, but Global.fit_postprocess is false" in err


class PlannedPasses(_Passes):
    """Passes whose matches are known: at the config's resize, and with larger images."""

    planned: ClassVar[dict[float, tuple[int, int]]]

    def fit(self, candidate: Candidate) -> None:
        self.fits[candidate] = fit_of(self.config, self.planned[candidate.alpha][0])

    def forgets(self, candidate: Candidate) -> bool:
        return False

    def enlarge(self, candidate: Candidate) -> None:
        self.enlarged[candidate] = "seen"
        self.fits[candidate] = fit_of(self.config, self.planned[candidate.alpha][1])


@pytest.mark.parametrize(
    ("trained", "alpha", "seen"),
    [
        pytest.param((940, 950), 1.0, {0.0, 1.0}, id="trained weights lead with larger images"),
        pytest.param((940, 920), 0.0, {0.0, 1.0}, id="the start is better with larger images"),
        pytest.param((890, 950), 0.0, {0.0}, id="the start leads before"),
    ],
)
def test_trained_weights_must_beat_the_best_that_the_start_can_do(
    trained: tuple[int, int], alpha: float, seen: set[float]
) -> None:
    config = load_config(SHIPPED / "det_v4_ft.yml")
    state = {"weight": np.ones(1, np.float32)}
    weights = RunWeights({"weight": np.zeros(1, np.float32)}, (Trained(4, state),), None)
    PlannedPasses.planned = {0.0: (900, 930), 0.25: (0, 0), 0.5: (0, 0), 0.75: (0, 0), 1.0: trained}
    passes = PlannedPasses(config, weights, no_progress)
    assert passes.decide().alpha == alpha
    assert {candidate.alpha for candidate in passes.enlarged} == seen
