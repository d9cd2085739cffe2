"""Faults 8 to 11: changed data and keys, images that change under a run, reads that hang, NaN."""

from __future__ import annotations

import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.faults_campaign.line import Trial, kill_self, line, must, training
from tests.support.same_run import calling

IMAGE, STEP = "3.png", 5


def delete(path: Path) -> None:
    path.unlink()


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_dead_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.png")


CHANGES: Mapping[str, Callable[[Path], object]] = {
    "deleted": delete,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:300]),
    "emptied": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no picture"),
    "a folder": as_folder,
    "a pipe": as_pipe,
    "a dead link": as_dead_link,
    "another picture": lambda path: path.write_bytes(path.with_name("0.png").read_bytes()),
}


@line(
    8,
    "resume with other labels, rate, epochs, batch, optimizer, network",
    "listed, refused or forced",
)
def changed(trial: Trial) -> None:
    trial.config("begun")
    place = trial.folder / "begun"
    trial.run(lambda: killed_in_step(place, 6), "begun")
    kept = trial.folder / "kept"
    shutil.copytree(place / "run", kept)
    keys = {
        "Optimizer.lr.learning_rate=0.001": "learning_rate",
        "Global.epoch_num=4": "epoch_num",
        "Train.loader.batch_size_per_card=3": "batch_size_per_card",
        "Optimizer.name=Adam": "Optimizer.name",
        "Global.seed=6": "seed",
        "Architecture.Neck.out_channels=48": "another network",
        "Global.use_ema=true": "average",
    }
    for key, word in list(keys.items())[: trial.some(99, 2)]:
        ran = trial.run(training(place / "c.yml", key), key)
        ran.ends(2, of=key)
        must(word in ran.text, f"{key}: isn't named: {ran.last_words}")
        trial.cases += 1
    labels = place / "label.txt"
    whole = labels.read_text()
    labels.write_text("\n".join(whole.splitlines()[:3]) + "\n")
    ran = trial.run(training(place / "c.yml"), "fewer labels")
    ran.ends(2, of="fewer labels")
    must("steps per epoch" in ran.text, f"fewer labels: isn't named: {ran.last_words}")
    labels.write_text(whole.replace("[[20", "[[21"))
    ran = trial.run(training(place / "c.yml"), "moved labels")
    ran.ends(0, 2, of="moved labels")
    must("labels have changed" in ran.text, f"moved labels: aren't named: {ran.last_words}")
    trial.cases += 2
    trial.tried = ["keys, fewer labels, moved labels"]


def killed_in_step(place: Path, step: int) -> int:
    from ppocr_ft.engine import trainer

    trainer.train_step = calling(step, kill_self)
    return training(place / "c.yml")()


@line(
    9,
    "an image deleted, changed, cut, a pipe or a folder instead, between epochs",
    "counted, replaced, named",
)
def image_lost(trial: Trial) -> None:
    from ppocr_ft.engine import trainer

    chosen = dict(list(CHANGES.items())[: trial.some(99, 6)])
    for how, change in chosen.items():
        config = trial.config(how.replace(" ", "_"))
        image = config.parent / IMAGE

        def act(change: Callable[[Path], object] = change, image: Path = image) -> int:
            trainer.train_step = calling(STEP, lambda: change(image))
            return training(image.parent / "c.yml", "Global.epoch_num=4")()

        ran = trial.run(act, how)
        ran.ends(0, of=how)
        if how != "another picture":
            must("bad sample" in ran.text and IMAGE in ran.text, f"{how}: isn't named or counted")
        trial.cases += 1
    trial.tried = [", ".join(chosen)]


@line(
    10,
    "a read that never answers, in training and in evaluation",
    "no deadlock; named with the file within a timeout",
)
def hanging(trial: Trial) -> None:
    from ppocr_ft.data import dataset

    for name, more in {"threads": (), "no threads": ("Train.loader.num_workers=0",)}.items():
        config = trial.config(name.replace(" ", "_"))

        def act(config: Path = config, more: tuple[str, ...] = more) -> int:
            read = Path.read_bytes
            begun = time.monotonic()

            def hang(path: Path) -> bytes:
                if path.name == IMAGE and (config.parent / "run" / "metrics.csv").exists():
                    threading.Event().wait()
                return read(path)

            Path.read_bytes = hang  # type: ignore[method-assign]
            dataset.READ_TIMEOUT_S = 0.5
            code = training(config, *more)()
            must(time.monotonic() - begun < 120, "took more than two minutes")
            return code

        ran = trial.run(act, name)
        ran.ends(0, of=name)
        must("gives no answer" in ran.text and IMAGE in ran.text, f"{name}: isn't named")
        trial.cases += 1
    trial.tried = ["samples are read by threads: there are no workers to be killed"]


@line(
    11,
    "NaN in image, loss, gradient, weights at step k",
    "not applied; EMA, moments, schedule untouched",
)
def not_a_number(trial: Trial) -> None:
    for where in ("image", "loss", "gradient", "weights"):
        config = trial.config(where)
        more = ("Global.use_ema=true", "Global.ema_decay=0.4")
        ran = trial.run(lambda: poisoned(config, where, *more), where)  # noqa: B023
        ran.ends(1 if where == "weights" else 0, of=where)
        must("NaN or infin" in ran.text, f"{where}: isn't named: {ran.last_words}")
        trial.cases += 1
    trial.tried = ["with averaged weights, AdamW"]


def poisoned(config: Path, where: str, *more: str) -> int:
    """Train with a NaN in a step; check that the step left everything but the count as it was."""
    import paddle

    from ppocr_ft.engine import trainer as loop

    original, counts = loop.Trainer._step, iter(range(1, 1000))

    def step(self: Any, batches: Any) -> Any:
        if next(counts) != STEP:
            return original(self, batches)
        before = self.state.arrays()
        weight = self.state.network.parameters()[0]
        handle = None
        if where == "image":
            batches = [with_nan(batch) for batch in batches]
        if where == "loss":
            loss = self.loss
            self.loss = lambda *args: {key: value * math.nan for key, value in loss(*args).items()}
        if where == "gradient":
            handle = weight.register_hook(lambda grad: grad * math.nan)
        if where == "weights":
            weight.set_value(paddle.full_like(weight, math.nan))
            before = self.state.arrays()
        result = original(self, batches)
        if where == "loss":
            self.loss = loss
        if handle is not None:
            handle.remove()
        must(not result.applied, f"{where}: the step was applied")
        after = self.state.arrays()
        changed = [key for key in before if not np.array_equal(before[key], after[key], True)]
        must(not changed, f"{where}: changed {changed[:3]}")
        return result

    loop.Trainer._step = step  # type: ignore[method-assign]
    return training(config, *more)()


def with_nan(batch: Any) -> Any:
    from dataclasses import replace

    return replace(batch, images=batch.images * math.nan)
