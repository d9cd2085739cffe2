"""What a process makes of there being others: its share, its device, its cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppocr_ft.commands.common import command
from ppocr_ft.config import load_config
from ppocr_ft.data.dataset import Item
from ppocr_ft.data.images import ImageSet
from ppocr_ft.engine.distributed import ProcessGroup
from ppocr_ft.engine.train_step import train_step
from ppocr_ft.errors import ConfigError, DataError
from ppocr_ft.factory.device import device
from ppocr_ft.runs.parts import prepare
from ppocr_ft.utils.system import cores, processes_here
from tests.engine.test_accumulation import Line, batch, momentum, squared_error
from tests.support.small_run import IMAGES, small_config


class WithAnother(ProcessGroup):
    """A group of two whose other process says what it is told to say."""

    def __init__(self, other: object) -> None:
        super().__init__(0, 2)
        self.other = other

    def gather(self, item: object) -> list[object]:  # type: ignore[override]
        return [item, self.other]

    def average(self, tensors: Sequence[paddle.Tensor]) -> None:
        """As if the other's were the same."""


@pytest.mark.parametrize("other_has_text", [True, False])
def test_images_and_texts_are_those_of_all_processes(other_has_text: bool) -> None:
    network = Line()
    result = train_step(
        network,
        [batch([1, 2], has_text=False)],
        squared_error,
        momentum(network),
        group=WithAnother((5, other_has_text)),
    )
    assert result.images == 7
    assert result.has_text == other_has_text


def test_processes_that_see_other_data_are_told(tmp_path: Path) -> None:
    config = load_config(small_config(tmp_path))
    prepare(config, WithAnother((IMAGES, IMAGES)))
    with pytest.raises(DataError, match=r"process 0 sees 7 training and 7 .* process 1 9 and 7"):
        prepare(config, WithAnother((9, IMAGES)))


@pytest.mark.parametrize("world_size", [1, 2, 3, 9])
def test_each_image_is_in_one_share(world_size: int) -> None:
    fields = {"image": np.zeros((3, 8, 8), np.float32), "shape": np.ones(4)}
    known = [DataError("known before")]
    whole = ImageSet(lambda index: Item(fields, path=str(index)), 7, faults=known)
    shares = [whole.share(rank, world_size) for rank in range(world_size)]
    seen = [int(sample.path) for share in shares for sample in share.samples()]
    assert sorted(seen) == list(range(7))
    assert [len(share) for share in shares] == [len(list(share.samples())) for share in shares]
    assert all(len(share.faults) == 1 for share in shares)


def test_a_card_that_the_launcher_gave_is_used_or_the_user_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_config(tmp_path)
    two = WithAnother(None)
    on_cpu = load_config(path, ["Global.use_gpu=true"])
    assert "the processes were started with gloo" in device(on_cpu, two)
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:1")
    with pytest.raises(ConfigError, match=r"Global\.use_gpu: is false, .* --backend gloo"):
        device(load_config(path), two)


@pytest.fixture
def one_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process 1 of three, on a machine of its own."""
    said_by_launcher = {
        "PADDLE_TRAINERS_NUM": "3",
        "PADDLE_TRAINER_ID": "1",
        "PADDLE_CURRENT_ENDPOINT": "10.0.0.2:80",
        "PADDLE_TRAINER_ENDPOINTS": "10.0.0.1:80,10.0.0.2:80,10.0.0.1:81",
    }
    for name, value in said_by_launcher.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("one_of_three")
def test_processes_of_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes_here() == 1
    monkeypatch.setenv("PADDLE_CURRENT_ENDPOINT", "10.0.0.1:81")
    assert processes_here() == 2
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert cores() == 4


@pytest.mark.usefixtures("one_of_three")
def test_a_command_that_is_no_team_work_is_left_to_process_0(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Sequence[str]] = []

    def work(argv: Sequence[str]) -> int:
        calls.append(argv)
        return 5

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert command(work)(["a"]) == 0
    monkeypatch.setenv("PADDLE_TRAINER_ID", "0")
    assert command(work)(["b"]) == 5
    assert calls == [["b"]]
