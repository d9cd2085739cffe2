"""The runs, and what is kept of each: a finished one is not run again."""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from experiments.real_sets.arms import SHIPPED, RunArm, drawing
from experiments.real_sets.judge import Counts, judge
from experiments.real_sets.sets import CONFIG, ROOT, RealSet, eval_overrides, written
from ppocr_ft.config import Config, load_config
from ppocr_ft.utils.files import write_whole

OUTPUT = ROOT / "output"
RUNS = OUTPUT / "real_sets"
"""The runs that the documents show."""
MODEL_RUNS = OUTPUT / "models"
"""Those of ``experiments.models_table``."""
UNLABELLED_RUNS = OUTPUT / "unlabelled"
"""Those of ``experiments.unlabelled``."""
RECORDS = ROOT / "docs"
"""The records of all three are committed there: what was once measured need not be run again."""
FIRST_SEED = 1024
FITTED = "fitted.yml"
TRAINED, SECONDS = "trained", "seconds.txt"
BAR_RESIZES = ("640:resize_long", "1280:resize_long", "640:min", "800:min", "960:min")
"""Tried beside the config's own."""
JUDGED, AS_SHIPPED = "judged", "judged as shipped"
"""Whose counts: of the set's validation part, with the fitted post-processing and with
PaddleOCR's. The others bear the name of another set."""
RELEASED = "released"


@dataclass(frozen=True)
class Record:
    """What a finished run has left.

    counts: rows of ``judge.Counts`` by what was judged. curve: step, hmean at IoU 0.5 and 0.7 of
    each evaluation, on the run's own validation images, with its best unclip ratio. settings:
    post-processing and resize that were chosen.
    """

    real_set: str
    arm: str
    seed: int
    counts: Mapping[str, list[list[int]]]
    steps: int = 0
    epochs: int = 0
    minutes: float = 0.0
    curve: Sequence[tuple[int, float, float]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def of(self, judged: str = JUDGED) -> Counts:
        """Return the counts (images, 4)."""
        return np.array(self.counts[judged], dtype=np.int64)


@dataclass(frozen=True)
class Run:
    """One training of ``config``: ``length`` is the override that says how long.

    ``others`` are judged too.
    """

    root: Path
    real_set: RealSet
    arm: RunArm
    seed: int
    length: str
    others: tuple[RealSet, ...] = ()
    config: Path = CONFIG

    @cached_property
    def folder(self) -> Path:
        config = load_config(self.config, [*self.arm.overrides, self.length])
        facts = [config.model_dump(exclude_defaults=True), str(self.arm.maps)]
        return group_folder(self.root, self.real_set, self.arm.name, facts) / f"seed{self.seed}"

    def record(self) -> Record:
        """Return the record; train and judge first if there is none. An unfinished run goes on."""
        return kept(self.folder, self._made)

    def _made(self) -> Record:
        folder = self.folder
        if not (folder / TRAINED).is_file():
            self._train()
        counts = judged(folder / FITTED, self.real_set, self.others)
        if self.arm.maps is not None:
            shipped = self.real_set, (), SHIPPED
            counts[AS_SHIPPED] = judged(folder / FITTED, *shipped)[JUDGED]
        return Record(
            self.real_set.name,
            self.arm.name,
            self.seed,
            counts,
            **_length(folder),
            minutes=float((folder / SECONDS).read_text()) / 60,
            curve=curve(folder),
            settings=settings(load_config(folder / FITTED)),
        )

    def _train(self) -> None:
        """Train, and fit the post-processing; go on where the run was interrupted."""
        from ppocr_ft.api import train
        from ppocr_ft.engine.checkpoints import STATE_FILE
        from ppocr_ft.runs.folder import RESOLVED_CONFIG

        folder = self.folder
        overrides = [
            *self.real_set.overrides(folder),
            *self.arm.overrides,
            self.length,
            f"Global.save_model_dir={folder}",
            f"Global.seed={self.seed}",
        ]
        with timed(folder / SECONDS), drawing(self.arm.maps):
            if (folder / STATE_FILE).is_file():
                train(resume=folder)
            else:
                train(self.config, overrides)
        if self.arm.maps is not None:
            weights = averaged_or_latest(folder)
            own = folder / RESOLVED_CONFIG  # at the scale that the run has found
            fit(load_config(own, [f"Global.checkpoints={weights}"]), folder)
        (folder / TRAINED).touch()
        gc.collect()


def bar(
    root: Path,
    real_set: RealSet,
    others: Sequence[RealSet] = (),
    config: Path = CONFIG,
    shipped_as: Sequence[str] = SHIPPED,
    name: str = RELEASED,
) -> Record:
    """Return the record of the released weights: fitted on the training part, and as shipped.

    ``shipped_as``: overrides of the config that make it what was released. ``name`` is the
    record's arm.
    """
    folder = bar_folder(root, real_set, config, name)

    def made() -> Record:
        labels = written(real_set.training_part, folder / "fit.txt")
        own = [
            "Global.val_ratio=0",
            f"Global.save_model_dir={folder}",
            *eval_overrides(real_set.data_dir, labels),
        ]
        chosen = fit(load_config(config, own), folder, BAR_RESIZES)
        counts = judged(folder / FITTED, real_set, others)
        shipped = folder / "shipped.yml"
        shipped.write_text(load_config(config, [*own, *shipped_as]).to_yaml(), encoding="utf-8")
        counts[AS_SHIPPED] = judged(shipped, real_set, ())[JUDGED]
        return Record(real_set.name, name, 0, counts, settings=settings(chosen))

    return kept(folder, made)


def bar_folder(root: Path, real_set: RealSet, config: Path = CONFIG, name: str = RELEASED) -> Path:
    values = load_config(config).model_dump(exclude_defaults=True)
    facts = [*(values[part] for part in ("Architecture", "PostProcess", "Eval")), BAR_RESIZES]
    return group_folder(root, real_set, name, facts) / "seed0"


def root_of(images: int | None = None, *, is_try: bool = False) -> Path:
    """Return the folder of the runs that the documents show, or of those that they don't.

    The latter are of so many ``images`` of each kind, or of other values of the config.
    """
    tries = OUTPUT / "real_sets_try" / f"{images or 'all'}_images"
    return tries if images or is_try else RUNS


def length_of(
    real_set: RealSet,
    root: Path,
    steps: int | None,
    minutes: float | None,
    config: Path = CONFIG,
) -> str:
    """Return the override that says how long a run is: in steps, else by the clock."""
    if steps is not None:
        return f"Global.epoch_num={epochs_of(steps, real_set, root, config)}"
    return f"Global.time_budget={60 * (minutes or real_set.minutes):.0f}s"


def epochs_of(steps: int, real_set: RealSet, folder: Path, config: Path = CONFIG) -> int:
    """Return how many whole epochs of the set are at least so many steps."""
    from ppocr_ft.runs.parts import train_loader

    loader = train_loader(load_config(config, real_set.overrides(folder)))
    return -(-steps // loader.steps_per_epoch)


def records_of(root: Path) -> Path:
    """Return the folder with the records of the runs in ``root``."""
    return RECORDS / root.name if root in (RUNS, MODEL_RUNS, UNLABELLED_RUNS) else root


def record_path(folder: Path) -> Path:
    """Return where the record of the run in ``folder``, ROOT/SET/ARM/SEED, is, or will be."""
    root = folder.parents[2]
    return records_of(root) / f"{folder.relative_to(root)}.json"


def kept(folder: Path, made: Callable[[], Record]) -> Record:
    """Return the run's record; make it if there is none."""
    path = record_path(folder)
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(made()))
        if path.is_relative_to(RECORDS):
            _remove_older(path)
        write_whole(path, f"{text}\n".encode())
    return Record(**json.loads(path.read_text(encoding="utf-8")))


def _remove_older(path: Path) -> None:
    """Remove the committed records of the same set and arm, but for another config."""
    arm = path.parent.name.rpartition("-")[0]
    for older in path.parent.parent.glob(f"{arm}-*"):
        if older != path.parent:
            shutil.rmtree(older)
    path.parent.mkdir(parents=True, exist_ok=True)


def finished(root: Path) -> dict[tuple[str, str], list[Record]]:
    """Return the records in ``root`` by set and arm: those of the newest config, by seed."""
    groups: dict[Path, list[Path]] = {}
    for path in sorted(records_of(root).glob("*/*/seed*.json")):
        groups.setdefault(path.parent, []).append(path)
    newest: dict[tuple[str, str], list[Record]] = {}
    for paths in sorted(groups.values(), key=lambda found: max(p.stat().st_mtime for p in found)):
        records = [Record(**json.loads(path.read_text(encoding="utf-8"))) for path in paths]
        newest[records[0].real_set, records[0].arm] = sorted(records, key=lambda r: r.seed)
    return newest


def group_folder(root: Path, real_set: RealSet, name: str, facts: Sequence[object]) -> Path:
    """Return the folder of the runs that differ in their seed alone.

    It is another one if one of the facts or a label line differs; that of an equal arm of another
    name, if there is one.
    """
    place = root / real_set.name.replace(", ", "_").replace(" ", "_")
    text = json.dumps([real_set.train, real_set.validate, real_set.judge, *facts], default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    if there := sorted(place.glob(f"*-{digest}")):
        return there[0]
    slug = "".join(sign if sign.isalnum() or sign in ".-" else "_" for sign in name)
    return place / f"{slug}-{digest}"


@contextmanager
def timed(path: Path) -> Iterator[None]:
    """Add the seconds spent inside this context to those in the file."""
    before = float(path.read_text()) if path.is_file() else 0.0
    started = time.monotonic()
    try:
        yield
    finally:
        path.write_text(f"{before + time.monotonic() - started:.1f}\n")


def averaged_or_latest(folder: Path) -> Path:
    averaged = folder / "latest_ema"
    return averaged if averaged.with_suffix(".pdparams").is_file() else folder / "latest"


def fit(config: Config, folder: Path, resizes: Sequence[str] = ()) -> Config:
    """Fit post-processing and resize to the config's ``Eval``; writes fitted.yml."""
    from ppocr_ft.commands.fit_postprocess.cli import resize
    from ppocr_ft.commands.fit_postprocess.run import FitOptions, fit_postprocess
    from ppocr_ft.factory import objects
    from ppocr_ft.fitting.grid import LimitedResize
    from ppocr_ft.utils.progress import progress

    tried = [LimitedResize(*limits) for text in resizes if (limits := resize(text)) is not None]
    network, _ = objects.network(config)
    fitted = fit_postprocess(config, network, FitOptions(resizes=tried), progress)
    fitted.save(folder / FITTED)
    return fitted.chosen


def judged(
    config: Path, real_set: RealSet, others: Sequence[RealSet], more: Sequence[str] = ()
) -> dict[str, list[list[int]]]:
    """Return the counts on the set's validation part and on a few images of the others."""
    parts = {JUDGED: (real_set.data_dir, real_set.judge)}
    parts |= {other.name: (other.data_dir, other.few()) for other in others}
    return {name: judge(config, *part, more).tolist() for name, part in parts.items()}


def settings(config: Config) -> dict[str, Any]:
    from ppocr_ft.fitting.grid import resize_name

    values = config.PostProcess
    return {
        "resize": resize_name(config),
        **{name: getattr(values, name) for name in ("thresh", "box_thresh", "unclip_ratio")},
    }


def curve(folder: Path) -> list[tuple[int, float, float]]:
    from ppocr_ft.engine.eval_result import results_of
    from ppocr_ft.engine.metrics_file import METRICS_FILE, read_metrics

    points = []
    for result in results_of(read_metrics(folder / METRICS_FILE)[1]):
        best = result.at_best("hmean", "hmean_70")
        points.append((result.step, best["hmean"], best["hmean_70"]))
    return points


def _length(folder: Path) -> dict[str, int]:
    """Return the steps that were done, and in how many epochs."""
    facts = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    steps = curve(folder)[-1][0]
    return {"steps": steps, "epochs": -(-steps // int(facts["steps_per_epoch"]))}
