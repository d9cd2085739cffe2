"""Killed as by ``kill -9`` and resumed, a run is the one that was not killed, bit for bit.

All runs here are processes of one thread, whatever OMP_NUM_THREADS says: sums stay the same.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.pictures import write_different
from tests.support.processes import KILLED_RUN, python
from tests.support.same_run import assert_same_run
from tests.support.small_run import IMAGES, STEPS, small_config, starting_weights

pytestmark = pytest.mark.slow

Kill = tuple[str, int]
"""Event of killed_run.py and its count since the process began."""
AVERAGED = ("Global.use_ema=true", "Global.ema_decay=0.4")
ACCUMULATED = ("Optimizer.gradient_accumulation_steps=2", "Global.eval_batch_step=[0,3]")


NEAR_THE_START = ("Global.pretrained_model=START", "Optimizer.start_decay=20")
"""START becomes a file of weights."""


def random_kills(seed: int) -> list[Kill]:
    """While files are written, put in place, and between steps; early and late."""
    rng = random.Random(seed)
    kills = [("flush", rng.randint(1, 8)), ("step", rng.randint(2, 4))]
    kills += [(rng.choice(["step", "flush", "move"]), rng.randint(3, 9)) for _ in range(3)]
    return [*kills, ("move", rng.randint(3, 8)), ("flush", rng.randint(9, 14)), ("step", 3)]


def killed_again_and_again(kills: Sequence[Kill], command: str, *arguments: str) -> str:
    """Kill it at each event, then let it run to its end; what it prints then."""
    run = Path(arguments[1]).parent / "run"
    for event, count in [*kills, ("step", STEPS + 1)]:
        resume = ["--resume"] if command == "train" and (run / "latest.pdstate").exists() else []
        done = python(str(KILLED_RUN), command, event, str(count), *arguments, *resume)
        if count <= STEPS or event != "step":
            assert done.returncode == -signal.SIGKILL, f"{event} {count}: {done.stderr}"
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("overrides", "kills", "last_step"),
    [
        pytest.param((), random_kills(4), None, id="at random"),
        pytest.param(
            AVERAGED,
            # between the writing of latest and latest_ema, then in the middle of an epoch
            [("move:latest_ema.pdparams", 4), ("step", 4)],
            5,
            id="averaged weights",
        ),
        pytest.param(ACCUMULATED, [("step", 4)], 3, id="within an epoch of accumulated batches"),
        pytest.param(
            (*NEAR_THE_START, *AVERAGED, *ACCUMULATED),
            [("step", 3), ("flush", 4)],
            None,
            id="decay to the start, accumulated and averaged",
        ),
        pytest.param(
            (*NEAR_THE_START, "Optimizer.fresh_first=6"),
            [("step", 6), ("flush", 9)],
            None,
            id="fresh parts first",
        ),
    ],
)
def test_train(
    tmp_path: Path, overrides: Sequence[str], kills: Sequence[Kill], last_step: int | None
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    if "START" in "".join(overrides):
        start = str(starting_weights(tmp_path))
        overrides = [override.replace("START", start) for override in overrides]
    options = ["-o", *overrides] if overrides else []
    fit = not overrides  # once is enough
    config = str(small_config(tmp_path / "whole", fit=fit))
    killed_again_and_again([], "train", "-c", config, *options)
    config = str(small_config(tmp_path / "killed", fit=fit))
    out = killed_again_and_again(kills, "train", "-c", config, *options)
    if last_step is not None:
        assert f"goes on after step {last_step}" in out
    killed, whole = tmp_path / "killed" / "run", tmp_path / "whole" / "run"
    assert_same_run(killed, whole)
    for path in whole.glob("*_ema.pdparams"):
        assert (killed / path.name).read_bytes() == path.read_bytes(), path.name
    assert {path.name for path in killed.iterdir()} == {path.name for path in whole.iterdir()}


def test_train_with_images_held_out(tmp_path: Path) -> None:
    options = ["-o", "Global.val_ratio=0.3", "Global.epoch_num=4"]
    for name, kills in {"whole": [], "killed": [("step", 5)]}.items():
        (tmp_path / name).mkdir()
        config = small_config(tmp_path / name)
        write_different(tmp_path / name, IMAGES)
        out = killed_again_and_again(kills, "train", "-c", str(config), *options)
    assert "goes on after step" in out
    killed, whole = tmp_path / "killed" / "run", tmp_path / "whole" / "run"
    assert_same_run(killed, whole)
    for part, lines in {"train_part.txt": 5, "eval_part.txt": 2}.items():
        assert (killed / part).read_bytes() == (whole / part).read_bytes()
        assert (whole / part).read_bytes().count(b"\n") == lines


def test_an_arm_of_compare(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = str(small_config(tmp_path / "whole"))
    killed_again_and_again([], "train", "-c", whole, "-o", "Global.epoch_num=2")
    out = tmp_path / "out"
    arguments = ("-c", str(small_config(tmp_path)), "--arm", "as it is:", "--epochs", "2")
    arguments += ("-o", f"Global.save_model_dir={out}")
    done = python(str(KILLED_RUN), "compare", "step", "7", *arguments)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (out / "compare.md").exists()
    killed_again_and_again([], "compare", *arguments)
    (arm,) = out.glob("as_it_is-seed*")
    assert_same_run(arm, tmp_path / "whole" / "run")
