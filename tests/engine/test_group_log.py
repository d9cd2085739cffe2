"""Figures of parameter groups in metrics.csv, their names, and the bar of an evaluation."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr_ft.config import load_config
from ppocr_ft.engine import log as log_module
from ppocr_ft.engine.log import GroupFigures, copies_of
from ppocr_ft.engine.metrics_file import COLUMNS, MetricsFile
from ppocr_ft.engine.trainer import Callback
from ppocr_ft.optim.group_rules import GroupRule
from ppocr_ft.optim.groups import (
    GroupSettings,
    ParamGroup,
    Penalty,
    build_groups,
    group_names,
)
from ppocr_ft.optim.optimizers import build_optimizer
from ppocr_ft.runs import assemble
from ppocr_ft.utils.progress import progress
from tests.support.small_run import STEPS, small_config
from tests.support.terminal import Terminal, plain, screen

pytestmark = pytest.mark.slow

THRESH = ("head.thresh.conv1.weight", "head.thresh.conv2.bias")
ALL = ("backbone.conv.weight", "neck.conv.weight", "head.binarize.bias")


def group(names: Sequence[str], lr_mult: float = 1.0, **settings: Any) -> ParamGroup:
    values = {"weight_decay": 0.01, "own_penalty": None, "freeze": False, **settings}
    return ParamGroup(GroupSettings(lr_mult, **values), ("",), tuple(names), ())


@pytest.mark.parametrize(
    ("groups", "wanted"),
    [
        ([group(ALL)], ["backbone+neck+head"]),
        ([group(ALL), group(THRESH, 5.0)], ["backbone+neck+head", "head.thresh_x5"]),
        ([group(THRESH[:1])], ["head.thresh.conv1.weight"]),
        ([group(ALL[:2], 0.1), group(ALL[:1])], ["backbone+neck_x0.1", "backbone.conv.weight"]),
        (
            [group(THRESH), group(THRESH, weight_decay=0.0)],
            ["head.thresh_decay0.01", "head.thresh_decay0"],
        ),
        (
            [group(THRESH, own_penalty=Penalty("L2", 0.0)), group(THRESH)],
            ["head.thresh_L2_0", "head.thresh_no_penalty"],
        ),
        ([group(THRESH, freeze=True), group(THRESH)], ["head.thresh_frozen", "head.thresh_free"]),
        (
            [group(THRESH, freeze_epochs=2), group(THRESH)],
            ["head.thresh_frozen2", "head.thresh_free"],
        ),
        (
            [group(THRESH, biases=True), group(THRESH)],
            ["head.thresh_biases", "head.thresh_weights"],
        ),
        ([group(THRESH, 0.1), group(THRESH, 0.3)], ["head.thresh_x0.1", "head.thresh_x0.3"]),
        (
            [group(THRESH, 0.1), group(THRESH, 0.1 + 1e-12)],
            ["head.thresh_x0.1", "head.thresh_x0.1#2"],
        ),
    ],
    ids=[
        "one", "a place and a factor", "one parameter", "overlapping places", "decay",
        "own penalty", "frozen", "frozen for a while", "biases", "factors", "as good as equal",
    ],
)  # fmt: skip
def test_names_say_where_and_what_sets_apart(groups: list[ParamGroup], wanted: list[str]) -> None:
    assert group_names(groups) == wanted


class Parts(paddle.nn.Layer):
    """Two parameters of known norms, and one of zeros."""

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("body", [3.0, 4.0]), ("head", [8.0, 6.0]), ("zeros", [0.0, 0.0])):
            layer = paddle.nn.Layer()
            initial = paddle.nn.initializer.Assign(np.array(values, np.float32))
            layer.weight = layer.create_parameter([2], default_initializer=initial)
            self.add_sublayer(name, layer)


def sgd(network: Any, learning_rate: float, *rules: GroupRule) -> Any:
    groups = build_groups(network, [*rules, GroupRule("")])
    plain = {"momentum": 0.0}
    return build_optimizer("Momentum", groups, plain, learning_rate=learning_rate)


def test_rates_and_ratios_of_one_step_by_hand() -> None:
    """Gradients are 1, so that SGD moves each of two values by the rate: by rate * sqrt(2)."""
    network = Parts()
    rules = GroupRule("body", 0.1), GroupRule("zeros", 0.5)
    optimizer = sgd(network, 0.25, *rules)
    figures = GroupFigures(optimizer)
    assert figures.columns == (
        "lr/body.weight_x0.1", "lr/head.weight", "lr/zeros.weight_x0.5",
        "update_ratio/body.weight_x0.1", "update_ratio/head.weight",
        "update_ratio/zeros.weight_x0.5",
    )  # fmt: skip
    figures.begin()
    sum(parameter.sum() for parameter in network.parameters()).backward()
    optimizer.step()
    figures.begin()  # a second time, as at an epoch's end and the next one's beginning
    values = list(figures.end().values())
    assert values[:3] == pytest.approx([0.025, 0.25, 0.125])
    assert values[3:5] == pytest.approx([0.025 * 2**0.5 / 5, 0.25 * 2**0.5 / 10], rel=1e-5)
    assert values[5] is None
    figures.begin()
    assert list(figures.end().values())[3:] == [0.0, 0.0, 0.0], "nothing moved since"


def test_a_frozen_group_has_rate_and_ratio_0() -> None:
    network = Parts()
    optimizer = sgd(network, 0.25, GroupRule("head", freeze=True))
    figures = GroupFigures(optimizer)
    figures.begin()
    sum(p.sum() for p in network.parameters() if not p.stop_gradient).backward()
    optimizer.step()
    found = figures.end()
    assert found["lr/head.weight"] == found["update_ratio/head.weight"] == 0
    assert found["update_ratio/body+zeros"] == pytest.approx(0.25 * 4**0.5 / 5, rel=1e-5)


def test_a_step_that_was_not_expected_has_no_ratio() -> None:
    found = GroupFigures(sgd(Parts(), 0.25)).end()
    assert list(found.values()) == [0.25, None]


class Recorder(Callback):
    """Copies of all parameters before the first step and after each."""

    def __init__(self) -> None:
        self.weights: list[dict[str, np.ndarray]] = []

    def before_run(self, trainer: Any) -> None:
        self._note(trainer)

    def after_step(self, trainer: Any, batch: Any, result: Any) -> None:
        self._note(trainer)

    def _note(self, trainer: Any) -> None:
        named = trainer.state.network.named_parameters()
        self.weights.append({name: p.numpy().astype(np.float64) for name, p in named})


def norm(weights: Mapping[str, np.ndarray], names: Sequence[str]) -> float:
    return float(np.sqrt(sum((weights[name] ** 2).sum() for name in names)))


def test_a_run_logs_rates_and_ratios_and_copies_weights_for_those_steps_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(log_module, "copies_of", lambda groups: made.append(1) or copies_of(groups))
    two_groups = "Optimizer.one_dim_param_no_weight_decay=true"
    overrides = [two_groups, "Global.print_batch_step=5", "Global.use_ema=true"]
    run = assemble.training(load_config(small_config(tmp_path), overrides))
    recorder = Recorder()
    run.trainer.callbacks = [recorder, *run.trainer.callbacks]
    run.trainer.run()
    with (run.folder / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "train"]
    assert [int(row["step"]) for row in rows] == [5, 10, STEPS]
    assert len(made) == len(rows)
    groups = run.trainer.state.optimizer.groups.groups
    names = ["backbone+neck+head_decay0.01", "backbone+neck+head_decay0"]
    assert group_names(groups) == names
    for row in rows:
        after, before = (recorder.weights[int(row["step"]) - k] for k in (0, 1))
        update = {key: after[key] - before[key] for key in after}
        for name, own in zip(names, groups, strict=True):
            wanted = norm(update, own.names) / norm(before, own.names)
            assert float(row[f"update_ratio/{name}"]) == pytest.approx(wanted, rel=1e-4)
            assert wanted > 1e-5
            assert float(row[f"lr/{name}"]) == pytest.approx(float(row["lr"]))


def column_names(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()[0].split(",")


def test_rows_of_a_run_with_other_columns_are_kept(tmp_path: Path) -> None:
    first = MetricsFile(tmp_path, more_columns=["lr/old", "lr/both"])
    for step in (1, 2, 3):
        first.add("train", {"step": step, "epoch": 1, "lr/old": 0.5, "lr/both": None})
    resumed = MetricsFile(tmp_path, 2, -1, ["lr/both", "lr/new"])
    resumed.add("train", {"step": 3, "epoch": 1, "lr/new": 0.25})
    assert column_names(resumed.path) == [*COLUMNS, "lr/both", "lr/new", "lr/old"]
    with resumed.path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    shown = [[row[key] for key in ("step", "lr/old", "lr/both", "lr/new")] for row in rows]
    assert shown == [["1", "0.5", "", ""], ["2", "0.5", "", ""], ["3", "", "", "0.25"]]


@pytest.mark.parametrize(
    "content", ["", "\n", "some,other\n1,2\n", "kind,step\nother,1\n"],
    ids=["empty", "a blank line", "another table", "no row of ours"],
)  # fmt: skip
def test_another_file_of_that_name_gives_no_rows(content: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(content)
    path = MetricsFile(tmp_path, 5, 5).path
    assert path.read_text() == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("stream", "wanted"), [(Terminal(), True), (io.StringIO(), False)], ids=["terminal", "file"]
)
def test_a_bar_where_somebody_looks_at_it(
    stream: io.StringIO, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert list(progress(iter("abc"), 3, "evaluate")) == list("abc")
    shown = stream.getvalue()
    assert ("evaluate " in shown) is wanted
    assert screen(shown) == [], "a bar that doesn't stay leaves nothing behind"


def test_a_run_on_a_terminal_has_bars_and_its_figures_below_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = assemble.training(load_config(small_config(tmp_path), ["Global.epoch_num=1"]))
    bars, lines = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stderr", bars)
    monkeypatch.setattr(sys, "stdout", lines)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    run.trainer.run()
    run.close()
    assert lines.getvalue().startswith("step 0: hmean ")
    assert len(lines.getvalue().splitlines()) == 1, "from then on there are bars, and lines above"
    shown = plain(bars.getvalue())
    assert len(re.findall(r"evaluate +━+ +0/\d+ *[\r\n]", shown)) == 2
    assert re.search(r"epoch 1/1 +━+ +4/4 +in ", shown)
    names = "loss  shrink_maps  threshold_maps  binary_maps  images/s"
    assert re.search(rf"{names} +memory +lr *\n(?:\d\.\d{{4}} +){{4}}\d+\.\d\d +[\d,]+ MB", shown)
    *earlier, last = screen(bars.getvalue(), columns=200)
    assert last.startswith("step 4: hmean ")
    assert not [line for line in earlier if line.startswith("epoch ")]
    logged = (run.folder / "train.log").read_text(encoding="utf-8").splitlines()
    assert [line.split()[2] for line in logged].count("epoch") == 4, "a line of each step"


def test_its_lines_go_to_a_file_that_they_are_sent_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = assemble.training(load_config(small_config(tmp_path), ["Global.epoch_num=1"]))
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    run.trainer.run()
    run.close()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines].count("epoch") == 4
    assert lines[-1].startswith("step 4: hmean ")
    assert "\033" not in "".join(lines)
