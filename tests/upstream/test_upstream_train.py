"""PaddleOCR 2.10's own tools/train.py and program.train, run by python -m ppocr_ft.upstream."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr_ft.upstream.__main__ import USAGE
from tests.upstream.checkout import Checkout, Run, make_checkout, python
from tests.upstream.upstream_data import Dataset, assert_ratio, images_of, maps_at, ratio_at

OURS = ("-m", "ppocr_ft.upstream")
SCHEDULE = "ppocr_ft: shrink ratio 0.4 -> 0.6 over 4 epochs, by the true epoch"


@pytest.fixture(scope="module")
def checkout(wheel_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return make_checkout(tmp_path_factory.mktemp("checkout"), wheel_root)


def train(checkout: Checkout, run: Run, prefix: tuple[str, ...] = OURS) -> str:
    """The run's output; cwd is the checkout, as PaddleOCR's documentation has it."""
    done = python(*prefix, "tools/train.py", "-c", run.write_yaml(), cwd=checkout.root)
    assert done.returncode == 0, done.stdout[:4000] + done.stderr[-4000:]
    return done.stdout + done.stderr


def assert_epochs(run: Run, first: int, last: int, images: int, rank: int = 0) -> None:
    """Each epoch's batches hold that epoch's maps; batches hold two images."""
    batches = run.batches(rank)
    per_epoch = images // 2 + images % 2
    assert len(batches) == per_epoch * (last - first + 1)
    for epoch in range(first, last + 1):
        own = batches[(epoch - first) * per_epoch :][:per_epoch]
        assert assert_ratio(own, run.dataset, ratio_at(epoch)) == images


@pytest.mark.parametrize(
    ("keys", "images", "seed"),
    [
        pytest.param({}, 6, 1024, id="no workers"),
        pytest.param({"workers": 2}, 6, 3, id="two workers, another seed"),
        pytest.param({"workers": 2, "ratio_list": [0.5]}, 3, 1024, id="ratio_list 0.5"),
    ],
)
def test_the_ratio_follows_the_epoch(
    checkout: Checkout,
    dataset: Dataset,
    tmp_path: Path,
    keys: dict[str, Any],
    images: int,
    seed: int,
) -> None:
    run = Run(tmp_path, dataset, keys, seed=seed)
    said = train(checkout, run)
    assert_epochs(run, 1, 4, images)
    assert said.count(SCHEDULE) == 1
    replaced = f"MakeShrinkMap and MakeBorderMap replaced in {checkout.root / 'ppocr'}"
    assert said.count(replaced) == 1
    assert "cur metric, hmean" in said, "no evaluation came between"


def test_a_resumed_training_goes_on(checkout: Checkout, dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first = Run(tmp_path / "first", dataset, {}, epochs=2)
    train(checkout, first)
    assert_epochs(first, 1, 2, 6)
    second = Run(tmp_path / "second", dataset, {"workers": 2}, resume_from=first.latest)
    train(checkout, second)
    assert_epochs(second, 3, 4, 6)


def test_each_of_two_training_processes_counts_the_same(
    checkout: Checkout, dataset: Dataset, tmp_path: Path
) -> None:
    run = Run(tmp_path, dataset, {"workers": 1}, epochs=3)
    launch = ("-m", "paddle.distributed.launch", "--nproc_per_node", "2", sys.executable)
    train(checkout, run, prefix=(*launch, *OURS))
    for rank in (0, 1):
        assert_epochs(run, 1, 3, 3, rank)


def test_by_itself_the_trainer_stays_at_04(
    checkout: Checkout, dataset: Dataset, tmp_path: Path
) -> None:
    run = Run(tmp_path, dataset, {}, epochs=2)
    train(checkout, run, prefix=())
    batches = run.batches()
    assert len(batches) == 6
    for number, maps in images_of(batches):
        wanted = maps_at(0.4, dataset.texts[number])["shrink_map"]
        np.testing.assert_array_equal(maps["shrink_map"], wanted)


def test_two_schedules_end_the_run_with_one_line(
    checkout: Checkout, dataset: Dataset, tmp_path: Path
) -> None:
    path = Run(tmp_path, dataset, {}).write_yaml()
    text = path.read_text()
    assert text.count("total_epoch: 4") == 2
    path.write_text(text.replace("total_epoch: 4", "total_epoch: 8", 1))
    done = python(*OURS, checkout.train, "-c", path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "both maps describe the same text" in done.stderr.splitlines()[-1]


def test_a_script_runs_as_if_run_directly(checkout: Checkout, tmp_path: Path) -> None:
    script = checkout.root / "tools" / "show.py"
    script.write_text(
        "import os, sys\n"
        "print(__name__, os.path.abspath(__file__), os.path.abspath(sys.argv[0]), sys.argv[1:])\n"
        "print(sys.path[0], os.getcwd())\n"
        "sys.exit(7)\n"
    )
    arguments = ["--help", "-o", "Global.use_gpu=False"]
    ours = python(*OURS, script, *arguments, cwd=tmp_path)
    direct = python(script, *arguments, cwd=tmp_path)
    assert ours.stdout.splitlines()[-2:] == direct.stdout.splitlines()
    assert ours.returncode == direct.returncode == 7


def test_a_script_outside_any_checkout_gets_the_installed_wheel(
    wheel_root: Path, tmp_path: Path
) -> None:
    script = tmp_path / "mine.py"
    script.write_text("import ppocr.data.imaug as i; print(i.MakeShrinkMap.__module__)\n")
    done = python(*OURS, script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "ppocr_ft.transforms.targets"
    assert str(wheel_root / "ppocr") in done.stdout


def test_help_is_usage_with_examples() -> None:
    done = python(*OURS, "--help")
    assert (done.returncode, done.stdout) == (0, USAGE)
    assert "python -m ppocr_ft.upstream PaddleOCR/tools/train.py" in USAGE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param([], "no script given", id="nothing"),
        pytest.param(["no/train.py", "-c", "x.yml"], "no/train.py: no such file", id="missing"),
        pytest.param(["."], ".: no such file", id="a folder"),
    ],
)
def test_a_missing_script_is_one_line_and_exit_code_2(arguments: list[str], said: str) -> None:
    done = python(*OURS, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


def test_a_script_without_paddleocr_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    """A checkout whose ppocr lacks the operators stands for every unusable one."""
    (tmp_path / "ppocr" / "data" / "imaug").mkdir(parents=True)
    (tmp_path / "train.py").touch()
    done = python(*OURS, tmp_path / "train.py")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no PaddleOCR for it: ppocr in" in done.stderr
