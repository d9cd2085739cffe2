"""What the first and the best evaluation found, kept for the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ppocr_ft.engine.batches import EvalImage
from ppocr_ft.engine.parallel import Team
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import Candidates, FloatMap
from ppocr_ft.report.evaluations import (
    BEFORE,
    BEST,
    EVALUATIONS,
    About,
    JudgedImage,
    judged_image,
    write_evaluation,
)
from ppocr_ft.utils.files import write_whole


@dataclass(frozen=True)
class _Overheard(DBPostProcess):
    """Post-processing whose candidates are heard too."""

    hear: Callable[[Candidates], None] = lambda found: None

    def candidates(self, prob_map: FloatMap) -> Candidates:
        found = super().candidates(prob_map)
        self.hear(found)
        return found


class KeptBoxes:
    """Gathers what each evaluation by ``post_process`` finds; ``save`` writes it to
    ``folder``/evaluations."""

    def __init__(self, folder: Path, made_by: DBPostProcess, team: Team) -> None:
        self.post_process = _Overheard(**asdict(made_by), hear=self._hear)
        self._folder = folder
        self._team = team
        self._heard: Candidates | None = None
        self._images: list[JudgedImage] = []

    def begin(self) -> None:
        """An evaluation begins."""
        self._images = []

    def take(self, image: EvalImage) -> None:
        """The image whose candidates were found last."""
        assert self._heard is not None, "an image of which no candidates were found"
        about = About.of(0, self.post_process)
        self._images.append(judged_image(image, self._heard, about.lowest_score))
        self._heard = None

    def gather(self) -> None:
        """The evaluation is over: bring together the images of all processes."""
        self._images = [image for images in self._team.gather(self._images) for image in images]

    def save(self, step: int) -> None:
        """The evaluation after ``step`` was the best so far.

        Nothing changes where no image was taken, since another run's verdict was taken over.
        """
        if self._images:
            about = About.of(step, self.post_process)
            for name in [BEFORE] * (step == 0) + [BEST]:
                write_evaluation(self._folder / EVALUATIONS / name, about, self._images)

    def _hear(self, found: Candidates) -> None:
        self._heard = found


def take_over_boxes(source: Path, folder: Path) -> None:
    """What was found before training in another run's folder, if that is known, as ``save``
    writes it."""
    before = source / EVALUATIONS / BEFORE
    if before.is_file():
        (folder / EVALUATIONS).mkdir(exist_ok=True)
        for name in (BEFORE, BEST):
            write_whole(folder / EVALUATIONS / name, before.read_bytes())
