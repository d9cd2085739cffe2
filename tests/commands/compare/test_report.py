"""What a comparison says of its runs: who is ahead, the noise, table, figures, curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from ppocr_ft.commands.compare import plot
from ppocr_ft.commands.compare.plot import compare_picture, curve, judged_points, trained_points
from ppocr_ft.commands.compare.table import (
    ArmRun,
    as_csv,
    by_arm,
    console_table,
    standings,
    table,
    verdict,
)
from ppocr_ft.utils.console import markdown_table

Rates = Mapping[float, tuple[float, float]]
"""hmean and hmean_70 by unclip ratio, the config's first."""
START: Rates = {1.5: (0.90, 0.60), 1.0: (0.92, 0.70)}


def evaluation(step: int, rates: Rates) -> list[dict[str, str]]:
    """The rows of ``metrics.csv``; precision and recall are above and below hmean."""
    return [
        {
            "kind": "eval",
            "step": str(step),
            "unclip_ratio": str(ratio),
            "precision": str(hmean + 0.01),
            "recall": str(hmean - 0.01),
            "hmean": str(hmean),
            "precision_70": str(stricter + 0.01),
            "recall_70": str(stricter - 0.01),
            "hmean_70": str(stricter),
        }
        for ratio, (hmean, stricter) in rates.items()
    ]


def training(step: int, loss: float, lr: float = 1e-4) -> dict[str, str]:
    return {"kind": "train", "step": str(step), "loss": str(loss), "lr": str(lr)}


def arm_run(
    arm: str, last: Rates, *, seed: int = 1, middle: Rates | None = None, diverged: str = ""
) -> ArmRun:
    """A run of 20 steps, 10 an epoch, evaluated at 0, perhaps at 10, and at 20."""
    rows = [*evaluation(0, START), training(10, 3.0)]
    rows += evaluation(10, middle) if middle else []
    rows += [training(20, 2.0), *evaluation(20, last)]
    return ArmRun(arm, seed, rows, 40, 4, 10, 1.5, f"out/{arm}", diverged)


def ending(arm: str, hmean: float, *, seed: int = 1, stricter: float = 0.5) -> ArmRun:
    """A run that ends with ``hmean`` at its own ratio 1.0, and 0.1 lower at the config's."""
    return arm_run(arm, {1.5: (hmean - 0.1, 0.4), 1.0: (hmean, stricter)}, seed=seed)


def seeds(arm: str, *hmeans: float) -> list[ArmRun]:
    return [ending(arm, hmean, seed=seed) for seed, hmean in enumerate(hmeans, start=1)]


def test_evaluations_are_read_as_they_were_written() -> None:
    run = arm_run("a", {1.5: (0.93, 0.8), 1.0: (0.91, 0.85)}, middle={1.5: (0.95, 0.7)})
    assert [each.step for each in run.evaluations] == [0, 10, 20]
    assert run.start.rates[1.0]["hmean_70"] == 0.70
    assert (run.start.unclip_ratio, run.start.best_ratio("hmean")) == (1.5, 1.0)
    assert run.last.best_ratio("hmean") == 1.5
    assert run.last.best_ratio("hmean_70") == run.last.best_ratio("hmean", "hmean_70") == 1.0
    assert run.best("hmean").step == 10
    assert run.best("hmean_70").step == 20
    assert run.loss == 2.0


def test_the_best_step_is_the_one_that_training_keeps_best_accuracy_of() -> None:
    run = arm_run("a", {1.5: (0.60, 0.6), 1.0: (0.80, 0.7)})
    assert run.best("hmean").step == 0, "each evaluation counts with its own best ratio"
    cells = table([run], "hmean").splitlines()[3].split("|")
    assert [cell.strip() for cell in cells[8:11]] == ["0", "0.9200", "0.7000"]
    best = [row for row in csv.DictReader(io.StringIO(as_csv([run], "hmean")))
            if row["evaluation"] == "best"]  # fmt: skip
    assert [row["step"] for row in best] == ["0", "0"]


def test_among_equals_the_configs_ratio_and_the_later_evaluation() -> None:
    level = {1.5: (0.92, 0.7), 1.0: (0.92, 0.7)}
    run = arm_run("a", level, middle=level)
    assert run.last.best_ratio("hmean") == 1.5
    assert run.best("hmean").step == 20


def test_standings_are_means_over_seeds_of_the_last_evaluation_at_the_own_ratio() -> None:
    runs = [*seeds("a", 0.90, 0.94), *seeds("b", 0.95, 0.95)]
    b, a = standings(runs, "hmean")
    assert (b.arm, b.value, b.spread, b.seeds) == ("b", 0.95, 0.0, 2)
    assert (a.arm, a.value, a.spread) == ("a", pytest.approx(0.92), pytest.approx(0.04))


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        pytest.param(
            [*seeds("a", 0.95), *seeds("b", 0.93)],
            ["a is ahead: hmean 0.9500", "0.0200 above b", "isn't known from one seed"],
            id="one seed",
        ),
        pytest.param(
            [*seeds("a", 0.94, 0.96), *seeds("b", 0.94, 0.94)],
            ["a is ahead", "0.0100 above b", "WITHIN THE NOISE", "0.0200 apart"],
            id="margin below the spread",
        ),
        pytest.param(
            [*seeds("a", 0.95, 0.96), *seeds("b", 0.94, 0.945)],
            ["0.0125 above b", "b 0.0050", "The margin is beyond it"],
            id="margin above the spread",
        ),
        pytest.param(
            [*seeds("a", 0.95, 0.96), *seeds("b", 0.94, 0.945), *seeds("c", 0.5, 0.9)],
            ["0.0125 above b", "The margin is beyond it"],
            id="a restless third arm says nothing of the first two",
        ),
        pytest.param(
            [*seeds("a", 0.95), *seeds("b", 0.95)], ["a and b are level: hmean 0.9500"], id="level"
        ),
        pytest.param(
            [ending("a", 0.95, stricter=0.6), ending("b", 0.93, stricter=0.8)],
            ["a is ahead", "At IoU 0.7 b leads: hmean_70 0.8000, a 0.6000"],
            id="another arm leads at IoU 0.7",
        ),
        pytest.param(
            [*seeds("a", 0.91), *seeds("b", 0.80)],
            ["a is ahead", "Its start, 0.9200 with its own best unclip_ratio, was better"],
            id="the best arm is worse than its start",
        ),
        pytest.param(
            [ending("a", 0.95), arm_run("b", START, diverged="NaN at step 7")],
            ["b, seed 1, diverged: NaN at step 7", "a is the only arm"],
            id="one diverged",
        ),
        pytest.param(
            [arm_run("b", START, diverged="NaN at step 7")],
            ["NaN at step 7", "No arm came to its end."],
            id="all diverged",
        ),
    ],
)
def test_verdict(runs: Sequence[ArmRun], said: Sequence[str]) -> None:
    text = verdict(runs, "hmean")
    for part in said:
        assert part in text
    assert ("WITHIN" in text) == ("WITHIN THE NOISE" in said)
    assert ("better than that" in text) == any("was better" in part for part in said)


def test_a_diverged_seed_keeps_its_arm_from_winning() -> None:
    runs = [*seeds("a", 0.99), arm_run("a", START, seed=2, diverged="NaN"), *seeds("b", 0.9, 0.9)]
    assert [each.arm for each in standings(runs, "hmean")] == ["b"]


def cells(text: str) -> list[list[str]]:
    """The rows of the Markdown table in ``text``."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_table_has_the_start_once_and_each_arm() -> None:
    middle = {1.5: (0.97, 0.9)}
    runs = [ending("a", 0.95), arm_run("b", {1.5: (0.93, 0.8)}, middle=middle)]
    header, _, start, a, b = cells(table(runs, "hmean"))
    assert start[:7] == ["start", "1.5", "0.9000", "0.6000", "1", "0.9200", "0.7000"]
    assert a[:7] == ["a", "1.5", "0.8500", "0.4000", "1", "0.9500", "0.5000"]
    assert a[7:10] == ["20", "0.9500", "0.5000"], "0.95 at its own ratio is above the start's"
    assert b[1:7] == ["1.5", "0.9300", "0.8000", "1.5", "0.9300", "0.8000"]
    assert b[7:12] == ["10", "0.9700", "0.9000", "2.0000", "1.5"]
    assert header[11] == "minutes"


def test_table_of_several_seeds_has_means_and_spread() -> None:
    runs = [*seeds("a", 0.95, 0.97), arm_run("b", START), arm_run("b", START, seed=2, diverged="x")]
    header, _, _, a, b = cells(table(runs, "hmean"))
    assert header[-1] == "spread"
    assert (a[5], a[-1]) == ("0.9600", "0.0200")
    assert (b[-2], b[-1]) == ("diverged (seed 2)", "")


def test_the_terminal_gets_two_tables_that_fit_it() -> None:
    names = "Optimizer.lr.learning_rate=1e-4", "Optimizer.lr.learning_rate=5e-4"
    runs = [run for name in names for run in seeds(name, 0.95, 0.97, 0.96)]
    runs[0] = arm_run(names[0], {1.5: (0.99, 0.8), 1.25: (0.9, 0.5)}, middle={1.5: (0.995, 0.8)})
    lines = console_table(runs, "hmean").splitlines()
    assert max(map(len, lines)) <= 80
    last, kept = lines[: lines.index("")], lines[lines.index("") + 1 :]
    assert [line.split("  ")[0] for line in last] == [
        "last evaluation", "start", "\u2026earning_rate=1e-4", "\u2026earning_rate=5e-4",
    ]  # fmt: skip
    assert last[2].split()[1:] == [
        "1.5", "0.9067", "0.5333", "1-1.5", "0.9733", "0.6000", "0.0300",
    ]  # fmt: skip
    assert kept[0].split() == ["best_accuracy", "step", "hmean", "at", "0.7", "loss", "minutes"]
    assert kept[1].split()[1] == "10-20"
    one = console_table([ending("a", 0.95)], "hmean")
    assert "spread" not in one


def test_arms_with_other_starts_have_a_row_each() -> None:
    other = ending("b", 0.9)
    moved = [{**row, "hmean": "0.5"} if row["step"] == "0" else row for row in other.rows]
    other = ArmRun("b", 1, moved, 40, 4, 10, 1.5, "out/b")
    names = [row[0] for row in cells(table([ending("a", 0.9), other], "hmean"))]
    assert names[2:] == ["start of a", "start of b", "a", "b"]


def test_figures_are_start_last_and_best_by_both_ratios() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([ending("a", 0.95), ending("b", 0.9)], "hmean"))))
    assert [row["evaluation"] for row in rows[:6]] == [*["start"] * 2, *["last"] * 2, *["best"] * 2]
    own = rows[3]
    assert (own["arm"], own["step"], own["unclip"], own["unclip_ratio"]) == (
        "a",
        "20",
        "own",
        "1.0",
    )
    assert [float(own[key]) for key in ("precision", "hmean", "recall_70")] == [0.96, 0.95, 0.49]
    assert len(rows) == 12


def test_markdown_table_lines_up() -> None:
    lines = markdown_table(["arm", "x"], [["long name", "1"], ["b", "1234"]]).split("\n")
    assert lines[1] == "| --------- | ---: |"
    assert lines[3] == "| b         | 1234 |"
    assert len(set(map(len, lines))) == 1


def test_curves_are_means_over_seeds_against_epochs() -> None:
    runs = by_arm(seeds("a", 0.90, 0.94))["a"]
    judged = curve(runs, judged_points("hmean", "hmean"))
    assert judged.epochs.tolist() == [0.0, 2.0]
    assert judged.mean == pytest.approx([0.92, 0.92])
    assert (judged.low[1], judged.high[1]) == (0.90, 0.94)
    assert curve(runs, trained_points("loss")).mean.tolist() == [3.0, 2.0]
    assert len(curve(runs, trained_points("grad_norm")).epochs) == 0


def colors(picture: bytes) -> int:
    """How many strong colours a picture has."""
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert min(image.shape[:2]) > 600
    flat = image.reshape(-1, 3).astype(int)
    strong = flat[np.ptp(flat, axis=1) > 100]
    found, counts = np.unique(strong, axis=0, return_counts=True)
    return int((counts > 100).sum()) if len(found) else 0


def test_picture_has_a_colour_for_each_arm() -> None:
    arms = [ending(name, 0.9 + 0.01 * i) for i, name in enumerate("abcd")]
    assert colors(compare_picture(arms, "hmean")) == 4
    assert colors(compare_picture(arms[:1], "hmean")) == 1


def test_a_single_printed_row_is_a_dot_in_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(plot, "as_png", lambda figure: figures.append(figure) or b"")
    rows = [*evaluation(0, START), training(10, 3.0), *evaluation(10, START)]
    compare_picture([ArmRun("a", 1, rows, 40, 4, 10, 0.5, "out/a")], "hmean")
    (figure,) = figures
    for axes in figure.axes:
        (line,) = axes.lines
        assert line.get_marker() == "o"
        assert axes.get_xlim() == pytest.approx((-0.03, 1.03))


def test_picture_of_runs_that_have_not_trained() -> None:
    bare = ArmRun("a", 1, evaluation(0, START), 40, 4, 10, 0.0, "out/a", "NaN at once")
    assert compare_picture([bare], "hmean").startswith(b"\x89PNG")
    assert "diverged" in table([bare], "hmean")
