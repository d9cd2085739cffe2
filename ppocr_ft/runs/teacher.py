"""The teacher: it labels images without labels while a run trains."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.config import Config
from ppocr_ft.config.faults import refuse
from ppocr_ft.config.load import with_values
from ppocr_ft.config.run_rules import one_data_set
from ppocr_ft.config.schema import AVERAGED, START, Unlabelled
from ppocr_ft.data.faults import describe_faults
from ppocr_ft.data.images import ImageSet
from ppocr_ft.data.label_writing import UNREAD_TEXT
from ppocr_ft.data.labels import LabelEntry
from ppocr_ft.data.taught import Rise, Taught
from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.engine.evaluation import RateCounter, eval_records, probability_maps, ratios_tried
from ppocr_ft.engine.stop import StopRequest
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.errors import DataError, WeightsError
from ppocr_ft.factory import objects
from ppocr_ft.factory.device import cpu_threads
from ppocr_ft.factory.unlabelled import KEY, UnlabelledImages, student_pipeline, unlabelled_images
from ppocr_ft.filling import fill
from ppocr_ft.fitting.scale import training_images
from ppocr_ft.messages import counted
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ProbMap
from ppocr_ft.runs.folder import TEACHER_LABELS
from ppocr_ft.runs.models import teacher_config
from ppocr_ft.transforms.labels import parse_texts
from ppocr_ft.utils.files import check_writable, write_whole
from ppocr_ft.utils.progress import progress
from ppocr_ft.utils.sampling import sample_evenly

SURE, DOUBTFUL = 0.7, 0.15
"""The mean probability of a box that is text for sure, and the pixels' under which there is none;
what lies between is ignored."""
UNCLIP_RATIOS = (0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2)
"""Tried beside the config's; labelled training images choose."""
CHOOSING_IMAGES = 20
THIRDS = 3


class LabelledByTeacher(NamedTuple):
    """An image's line of a label file, without its path, and the numbers of its texts."""

    path: str
    label: str
    sure: int
    unsure: int


class OtherDetector(NamedTuple):
    """A detector that is not the run's own."""

    config: Config
    network: paddle.nn.Layer


class Kept(NamedTuple):
    """Label lines, and the epoch from which on they are used."""

    since: int
    text: str


@dataclass
class Teacher(Callback):
    """Labels images at the beginning of some epochs, and puts them into the loader's data.

    The labels are kept in ``folder``, so that a resumed run goes on with the same. ``other`` is the
    detector that labels; None: the run's own weights.
    """

    config: Config
    section: Unlabelled
    folder: Path
    images: UnlabelledImages
    other: OtherDetector | None
    say: Callable[[str], None]
    stop: StopRequest
    group: ProcessGroup = SINGLE_PROCESS

    def before_run(self, trainer: Trainer) -> None:
        """Say what will be labelled; forget the labels of a run that was never saved."""
        rise = self._rise(trainer.epochs)
        self.say(
            f"{counted(len(self.images.paths), 'image')} without labels: from epoch "
            f"{rise.first_epoch} on {self.section.teacher} labels some, up to {rise.highest:.0%} "
            "of the samples"
        )
        for note in self.images.notes:
            self.say(f"note: {note}")
        if trainer.progress.step == 0 and self.group.is_main:
            for path in self.folder.glob(TEACHER_LABELS.format("*")):
                path.unlink()

    def before_epoch(self, trainer: Trainer) -> None:
        epoch = trainer.progress.epochs_done + 1
        since = max((e for e in self._epochs(trainer.epochs) if e <= epoch), default=None)
        data = trainer.loader.data
        if since is None or (data.taught is not None and data.taught.since == since):
            return
        text, due = "", since == epoch and not trainer.progress.step_in_epoch
        path = self.folder / TEACHER_LABELS.format(since)
        newest = self._newest(epoch) if self.group.is_main else None
        kept: Kept | None = self.group.broadcast(newest)
        if kept is not None and (kept.since >= since or not due):
            since, text = kept  # of another epoch if the run's length was changed
        elif due:
            text = self._label(trainer, since)
            if self.group.is_main:
                write_whole(path, text.encode())
        else:
            raise DataError("is gone: it has the labels that the run goes on with", path=path)
        entries = entries_of(text, self.folder / TEACHER_LABELS.format(since))
        pipeline = student_pipeline(data.pipeline)
        taught = Taught(entries, pipeline, self._rise(trainer.epochs), since)
        data.taught = taught if entries else None

    def _newest(self, epoch: int) -> Kept | None:
        """Return the newest labels in the folder that were made up to an epoch."""
        for since in range(epoch, 0, -1):
            path = self.folder / TEACHER_LABELS.format(since)
            if path.is_file():
                return Kept(since, path.read_text(encoding="utf-8"))
        return None

    def _epochs(self, total: int) -> Sequence[int]:
        """Return the epochs at whose beginning images are labelled."""
        if self.section.teacher != AVERAGED:
            return (1,)
        return [total * third // THIRDS + 1 for third in range(1, THIRDS)]

    def _rise(self, total: int) -> Rise:
        return Rise(self.section.share, self._epochs(total)[0], max(total // THIRDS, 1))

    def _label(self, trainer: Trainer, since: int) -> str:
        """Return the label lines of the images that the coming epochs draw."""
        total, data = trainer.epochs, trainer.loader.data
        until = next((epoch for epoch in self._epochs(total) if epoch > since), total + 1)
        rise = self._rise(total)
        wanted = sum(rise.count(epoch, len(data)) for epoch in range(since, until))
        paths = self.images.paths
        order = np.random.default_rng([self.config.Global.seed, since]).permutation(len(paths))
        chosen = [paths[i] for i in order[:wanted].tolist()]
        asked, network = self.other or (self.config, trainer.state.network)
        with trainer.state.eval_weights() if self.other is None else nullcontext():
            way = fitted(asked, network)
            images = objects.image_files(asked, chosen).share(self.group.rank, self.group.size)
            mine = labelled_by(asked, network, way, images, self.stop)
        done = [line for part in self.group.gather(mine) for line in part]
        bad = [fault for part in self.group.gather(images.faults) for fault in part]
        first, *more = described(done, bad, self.section.teacher, way)
        if not any(line.sure for line in done):
            more.append("so the run goes on with the labelled images alone")
        self.say("\n".join([f"from epoch {since} on: {first}", *more]))
        place = {path: i for i, path in enumerate(chosen)}
        return label_lines(sorted(done, key=lambda line: place[line.path]))


def labelled_by(
    config: Config,
    network: paddle.nn.Layer,
    way: DBPostProcess,
    images: ImageSet,
    stop: StopRequest | None = None,
) -> list[LabelledByTeacher]:
    """Return the images with what the network finds on them; those of no use are in ``images``."""
    read = images.samples() if stop is None else stop.heeding(images.samples())
    samples = progress(read, len(images), "label images")
    labelled = []
    for sample, prob_map in probability_maps(network, samples, threads=cpu_threads(config)):
        height, width = sample.shape[:2].tolist()
        sure, unsure = sure_and_unsure(prob_map, (height, width), way)
        texts = [_text(points, UNREAD_TEXT) for points in sure]
        texts += [_text(points, "###") for points in unsure]
        label = json.dumps(texts, ensure_ascii=False)
        labelled.append(LabelledByTeacher(sample.path, label, len(sure), len(unsure)))
    return labelled


def described(
    done: Sequence[LabelledByTeacher], bad: Sequence[DataError], by: str, way: DBPostProcess
) -> list[str]:
    """Return lines on what a teacher has labelled, and which images are of no use."""
    useful = [line for line in done if line.sure]
    sure, unsure = (sum(getattr(line, of) for line in useful) for of in ("sure", "unsure"))
    lines = [
        f"{counted(len(useful), 'image')} labelled by {by}: {counted(sure, 'text')}, {unsure} "
        f"unsure and ignored (unclip_ratio {way.unclip_ratio:g})"
    ]
    if len(useful) < len(done):
        without = counted(len(done) - len(useful), "image")
        lines.append(f"left out, since no text is sure: {without}")
    if bad:
        lines.append(f"can't be read: {counted(len(bad), 'image')}\n{describe_faults(bad)}")
    return lines


def label_lines(done: Iterable[LabelledByTeacher]) -> str:
    """Return a label file's text: a line for each image with a text that is sure."""
    return "".join(f"{Path(line.path).absolute()}\t{line.label}\n" for line in done if line.sure)


def label_all(config: Config, section: Unlabelled) -> tuple[dict[str, Any], list[str]]:
    """Label all images into a file beside the run's: the values of keys that name it, and lines.

    There are no other labels then; the run is one on this label file.

    Raises:
        UserInputError: there are no images or no such teacher, or no text is sure.
    """
    refuse(one_data_set(with_values(config, {"Train.dataset.data_dir": section.data_dir})))
    _ = objects.also_data(config) if config.Global.val_ratio else objects.judged_data(config)
    images, (asked, network) = unlabelled_images(config, section), other_detector(config, section)
    way = objects.post_process(asked)
    files = objects.image_files(asked, images.paths)
    done = labelled_by(asked, network, way, files)
    lines = [*images.notes, *described(done, files.faults, section.teacher, way)]
    text = label_lines(done)
    if not text:
        raise DataError("\n".join(lines), key=KEY)
    folder = Path(config.Global.save_model_dir)
    check_writable(folder, len(text), "Global.save_model_dir")
    names = (folder / f"teacher_labels_{number}.txt" for number in count(1))
    path = next(name for name in names if not name.exists())
    write_whole(path, text.encode())
    lines.append(f"labels: {path}")
    values = {
        "Train.dataset.data_dir": section.data_dir,
        "Train.dataset.label_file_list": [str(path)],
        "Train.unlabelled": None,
    }
    return values, lines


def teacher(
    config: Config,
    folder: Path,
    say: Callable[[str], None],
    stop: StopRequest,
    group: ProcessGroup = SINGLE_PROCESS,
) -> tuple[Teacher, ...]:
    """Return the teacher that ``Train.unlabelled`` asks for; none without it.

    Raises:
        UserInputError: there are no such images, or no such teacher.
    """
    section, other = config.Train.unlabelled, None
    if section is None:
        return ()
    if section.teacher not in (AVERAGED, START):
        other = other_detector(config, section)
    images = unlabelled_images(config, section)
    return (Teacher(config, section, folder, images, other, say, stop, group),)


def other_detector(config: Config, section: Unlabelled) -> OtherDetector:
    """Return the detector that is named as the teacher.

    Raises:
        UserInputError: there is none of that name, or its weights can't be used.
    """
    asked = teacher_config(config, section.teacher)
    try:
        return OtherDetector(asked, objects.network(asked)[0])
    except WeightsError as error:
        raise WeightsError(error.message, path=error.path, key=f"{KEY}.teacher") from None


def fitted(config: Config, network: paddle.nn.Layer) -> DBPostProcess:
    """Return the post-processing with the unclip ratio that suits some labelled training images."""
    images, with_text = training_images(config)
    way = objects.post_process(config)
    counter = RateCounter(ratios_tried(way, UNCLIP_RATIOS))
    samples = images.samples(sample_evenly(with_text, CHOOSING_IMAGES))
    threads = cpu_threads(config)
    for record in eval_records(network, samples, way, UNCLIP_RATIOS, threads=threads):
        counter.add(record)
    return replace(way, unclip_ratio=counter.result().best_ratio("hmean", "hmean_70"))


def sure_and_unsure(
    prob_map: ProbMap, size: tuple[float, float], way: DBPostProcess
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Return the boxes (k, 2) that are text for sure, and those that may be some.

    ``size`` is the image's height and width, px; the boxes are in its pixels.
    """
    sure, _ = replace(way, box_thresh=SURE).boxes_from_map(prob_map, size)
    taken = np.zeros(prob_map.shape, np.float32)
    if sure:
        most = np.array(prob_map.shape[::-1]) - 1
        factors = (most + 1) / np.array(size[::-1])
        rings = [np.clip(np.rint(box * factors), 0, most).astype(np.int32) for box in sure]
        fill(taken, np.concatenate(rings), np.cumsum([0, *map(len, rings)]))
    rest: ProbMap = prob_map * (taken == 0)
    unsure, _ = replace(way, thresh=DOUBTFUL, box_thresh=0.0).boxes_from_map(rest, size)
    return list(sure), list(unsure)


def _text(points: NDArray[Any], transcription: str) -> dict[str, Any]:
    return {"transcription": transcription, "points": points.tolist()}


def entries_of(text: str, path: Path) -> list[LabelEntry]:
    """Return the entries of label lines that `Teacher` has written to ``path``."""
    entries = []
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        image, _, label = line.rpartition("\t")
        entries.append(LabelEntry((image,), parse_texts(label), str(path), number))
    return entries
