"""The end of a training: which weights it delivers, with which post-processing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from ppocr_ft.commands.common import with_global
from ppocr_ft.commands.fit_postprocess.choice import (
    JudgedWeights,
    WeightsChoice,
    choice_record,
    choose,
)
from ppocr_ft.commands.fit_postprocess.report import OBJECTIVES
from ppocr_ft.commands.fit_postprocess.run import (
    FitOptions,
    Images,
    PostProcessFit,
    fit_postprocess,
)
from ppocr_ft.commands.fit_postprocess.search import gain_over
from ppocr_ft.config import Config
from ppocr_ft.data.images import ImageSet
from ppocr_ft.engine.checkpoints import AVERAGED, BEST, FINAL, LATEST
from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.errors import WeightsError
from ppocr_ft.factory.objects import also_data, eval_data, evaluate, network, starting_network
from ppocr_ft.fitting.grid import FEW_THRESHS, more_images, with_resize
from ppocr_ft.fitting.scale import enlarging, labelled, training_images
from ppocr_ft.messages import counted
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.models.configs import TRAINING_BRANCHES, Form
from ppocr_ft.models.reparameterize import detect_form
from ppocr_ft.runs.folder import FINAL_FILES, FIT_FILES
from ppocr_ft.runs.metadata import DIGEST, WEIGHTS
from ppocr_ft.runs.weights_origin import FINAL_JSON, kept_checkpoints, weights_origin
from ppocr_ft.utils.files import write_whole
from ppocr_ft.utils.progress import Item, ProgressBar, no_progress
from ppocr_ft.utils.sampling import sample_evenly
from ppocr_ft.weights import to_paddleocr, write_weights
from ppocr_ft.weights.arrays import State, distance, interpolated, mean_of
from ppocr_ft.weights.matching import state_of

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""0: the start, 1: trained weights."""
KEY = "Global.interpolate"
OF_WEIGHTS = FitOptions(threshs=FEW_THRESHS, must_be_sure=False)
"""What is tried with each of the weights among which is chosen."""


@dataclass(frozen=True)
class Trained:
    """Weights of a run: those after ``step``, or the mean of the ``averaged`` checkpoints to it."""

    step: int
    state: State = field(repr=False, compare=False)
    averaged: int = 1


@dataclass(frozen=True)
class Candidate:
    """Weights at ``alpha`` of the way from the start to trained ones."""

    trained: Trained
    alpha: float

    @property
    def delivered(self) -> Delivered:
        return Delivered(self.alpha, self.trained.step, self.trained.averaged)


@dataclass(frozen=True)
class RunWeights:
    """What a run started from and what it has trained; ``start`` lacks what was not filled."""

    start: State = field(repr=False)
    lines: tuple[Trained, ...]
    mean: Trained | None

    def state(self, candidate: Candidate) -> State:
        """Return the weights; what the start lacks is as it was trained."""
        return interpolated(self.start, candidate.trained.state, candidate.alpha)

    def distance(self, candidate: Candidate) -> float:
        return candidate.alpha * distance(self.start, candidate.trained.state)

    def first(self) -> list[Candidate]:
        """Return what is judged in any case, the start first."""
        best, *last = self.lines
        between = [Candidate(best, alpha) for alpha in (0.0, 0.5, 1.0)]
        whole = [Candidate(trained, 1.0) for trained in (*last, self.mean) if trained is not None]
        return [*between, *whole]

    def neighbours(self, best: Candidate) -> Iterator[Candidate]:
        """Yield the candidates beside one on its line; beside the start on all lines."""
        at = ALPHAS.index(best.alpha)
        for trained in self.lines:
            if trained == best.trained or at == 0:
                for alpha in ALPHAS[max(at - 1, 1) : at + 2]:
                    yield Candidate(trained, alpha)


def run_weights(config: Config, folder: Path) -> RunWeights:
    """Read the start, the best and the last weights of the run in ``folder``, and their mean.

    Raises:
        WeightsError: there is nothing between start and trained weights; it says why.
    """
    start, form = starting_state(config, folder)
    read = _RunReader(config, folder, form)
    trained = [read.trained(BEST)]
    with suppress(WeightsError):  # the last ones may have diverged
        trained.append(read.trained(LATEST + AVERAGED * config.Global.use_ema))
    lines = {each.step: each for each in trained if each.step}
    if not lines:
        raise WeightsError("the run has trained no step", key=KEY)
    kept = kept_checkpoints(folder, averaged=config.Global.use_ema)
    mean = mean_of(read.state(name) for name in kept) if len(kept) > 1 else None
    return RunWeights(
        start,
        tuple(lines.values()),
        None if mean is None else Trained(read.step(kept[-1]), mean, len(kept)),
    )


@dataclass(frozen=True)
class _RunReader:
    """Reads a run's weights in one form."""

    config: Config
    folder: Path
    form: Form

    def _config(self, name: str) -> Config:
        return with_global(self.config, checkpoints=str(self.folder / name), form=self.form)

    def state(self, name: str) -> State:
        return state_of(starting_network(self._config(name))[0])

    def step(self, name: str) -> int:
        return weights_origin(self._config(name)).step or 0

    def trained(self, name: str) -> Trained:
        return Trained(self.step(name), self.state(name))


def starting_state(config: Config, folder: Path) -> tuple[State, Form]:
    """Return the tensors that the run was given at its start, and the network's form.

    Raises:
        WeightsError: there are none, too few to run the network, or other ones than then.
    """
    detector, report = starting_network(config)
    if report is None:
        raise WeightsError("the run started from random weights", key=KEY)
    state = state_of(detector)
    lacking = [key for key in state if key not in report.filled]
    lacking = [key for key in lacking if not key.startswith(TRAINING_BRANCHES)]
    if lacking:
        raise WeightsError(
            f"{report.source} lacks {counted(len(lacking), 'tensor')} that the network needs, such "
            f"as {lacking[0]}: the start is no detector",
            key=KEY,
        )
    try:
        began = json.loads((folder / WEIGHTS).read_text(encoding="utf-8"))[DIGEST]
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(
            f"{folder / WEIGHTS} does not say which weights the run started from", key=KEY
        ) from None
    if began != report.digest:
        raise WeightsError(
            f"{report.source} holds other weights than those that the run started from", key=KEY
        )
    return {key: state[key] for key in report.filled}, detect_form(state) or "branches"


@dataclass(frozen=True)
class AtEnd:
    """The post-processing fitted to what a run delivers.

    ``choice`` is that of the weights; without one they are best_accuracy. ``why_none`` says why
    there was none though Global.interpolate asks for it, ``enlarged`` what larger images bring.
    """

    fit: PostProcessFit
    choice: WeightsChoice | None = None
    why_none: str = ""
    enlarged: str = ""


def after_training(config: Config, folder: Path, bar: ProgressBar = no_progress) -> AtEnd:
    """Fit to the best weights of the run in ``folder``.

    Fewer thresholds are tried, in one pass over the images, with Global.fit_scale in one more for
    each resize that enlarges them. With Global.interpolate the final weights are chosen first, in a
    pass for each of those that are tried, and written. Files of an earlier fit are removed before.

    Raises:
        UserInputError: as ``fit_postprocess`` and ``network``; WriteError for final.pdparams.
        OSError: final.json can't be written.
    """
    for name in (*FIT_FILES, *FINAL_FILES):
        (folder / name).unlink(missing_ok=True)
    weights, why_none = None, ""
    try:
        weights = run_weights(config, folder) if config.Global.interpolate else None
    except WeightsError as error:
        why_none = str(error)
    if weights is not None:
        return _choose(config, folder, weights, bar)
    config = _at(config, folder / BEST)
    detector, more = network(config)[0], training_images_too(config)

    def fit_at(config: Config) -> PostProcessFit:
        return fit_postprocess(config, detector, FitOptions(threshs=FEW_THRESHS), bar, more)

    fit, enlarged = with_larger_images(fit_at(config), fit_at)
    return AtEnd(fit, None, why_none, enlarged)


def with_larger_images(
    fit: PostProcessFit, fit_at: Callable[[Config], PostProcessFit]
) -> tuple[PostProcessFit, str]:
    """Return the best fit with enlarged images, unless they lose; and what they bring.

    ``fit_at`` fits the same weights again by a config with another resize. The best of several is
    that with the highest objective on all images by which values were chosen. The gain is that on
    images of ``Eval`` for which values were not chosen; these are few, so a loss counts if it is
    more than a standard error. The text is "" if Global.fit_scale is off or larger images are out
    of the question.
    """
    config, before = fit.config, fit.fitted
    resizes = enlarging(config, labelled(config)) if config.Global.fit_scale else []
    if not resizes:
        return fit, ""
    fits = {resize: fit_at(with_resize(config, resize)) for resize in resizes}
    gains = {
        resize: gain_over(
            before.judged,
            larger.fitted.judged,
            before.tally.gts,
            before.objective,
            config.Global.seed,
        )
        for resize, larger in fits.items()
    }
    best = max(fits, key=lambda resize: (fits[resize].fitted.value, resize.limit_side_len))
    told = ", ".join(f"{r} {g.gain:+.4f} +- {g.gain_error:.4f}" for r, g in gains.items())
    text = f"enlarged images, {OBJECTIVES[before.objective]} on images held out: {told}; "
    if gains[best].gain >= -gains[best].gain_error:
        return fits[best], f"{text}{best} is taken, since small text needs pixels; it costs time"
    return fit, f"{text}they lose, and stay as they are"


def training_images_too(config: Config) -> Images | None:
    """Return what gives images of ``Train``, to fit to beside those of ``Eval`` if these are few.

    The trained weights find more on them than on others, but the values that suit them hardly
    differ, while those of a few images do.
    """
    missing = more_images(len(eval_data(config)))
    if not missing:
        return None

    def images(resized: Config) -> ImageSet:
        found, with_text = training_images(resized)
        chosen = sample_evenly(with_text, missing)
        return ImageSet(lambda index: found.read(chosen[index]), len(chosen), found.threads)

    return images


def _at(config: Config, weights: Path) -> Config:
    """Return the config of an evaluation of ``weights``."""
    return with_global(config, checkpoints=str(weights), resume=None)


def _choose(config: Config, folder: Path, weights: RunWeights, bar: ProgressBar) -> AtEnd:
    """Choose the final weights, and write them and final.json."""
    passes = _Passes(config, weights, bar)
    chosen = passes.decide()
    choice = passes.choice()
    _write(config, weights.state(chosen), folder / f"{FINAL}.pdparams")
    text = f"{json.dumps(choice_record(choice), indent=1, ensure_ascii=False)}\n"
    write_whole(folder / FINAL_JSON, text.encode())
    fit, final = passes.fits[chosen], folder / FINAL
    fit = replace(fit, config=_at(fit.config, final), chosen=_at(fit.chosen, final))
    return AtEnd(fit, choice, enlarged=passes.enlarged[chosen])


@dataclass
class _Passes:
    """The passes of weights over images; the first weights are the start.

    ``fits`` are of Eval's images, ``also`` has hmean on each set of Eval.also where that was asked,
    ``out`` are the weights that lose too much there. ``enlarged`` says of the weights that were
    judged with larger images, too, what these bring.
    """

    config: Config
    weights: RunWeights
    bar: ProgressBar
    fits: dict[Candidate, PostProcessFit] = field(default_factory=dict)
    also: dict[Candidate, dict[str, float]] = field(default_factory=dict)
    out: set[Candidate] = field(default_factory=set)
    enlarged: dict[Candidate, str] = field(default_factory=dict)

    @property
    def start(self) -> Candidate:
        return next(iter(self.fits))

    def decide(self) -> Candidate:
        """Judge the start, the trained weights and some between, then what is beside the best.

        Weights that lose too much on a set of Eval.also are left out, and the next best looked at.
        The best ones and the start are then judged with larger images, each with those that suit
        it: what beats the start must beat the best that the start can do.
        """
        waiting = self.weights.first()
        while True:
            for candidate in waiting:
                self.fit(candidate)
            chosen = self.chosen()
            beside = self.weights.neighbours(chosen)
            waiting = [candidate for candidate in beside if candidate not in self.fits]
            if waiting or self.forgets(chosen):
                continue
            if chosen in self.enlarged:
                return chosen
            self.enlarge(self.start)
            self.enlarge(chosen)

    def fit(self, candidate: Candidate) -> None:
        """Take weights over Eval's images and fit post-processing to them."""
        config, detector = self._loaded(candidate)
        named = _named(self.bar, f"weights {len(self.fits) + 1}")
        self.fits[candidate] = fit_postprocess(config, detector, OF_WEIGHTS, named, self._more)

    def enlarge(self, candidate: Candidate) -> None:
        """Fit weights with larger images, too, unless that was done; keep the better fit."""
        if candidate in self.enlarged:
            return
        detector = self._loaded(candidate)[1]
        named = _named(self.bar, "larger images")

        def fit_at(config: Config) -> PostProcessFit:
            return fit_postprocess(config, detector, OF_WEIGHTS, named, self._more)

        fit, self.enlarged[candidate] = with_larger_images(self.fits[candidate], fit_at)
        self.fits[candidate] = fit

    @cached_property
    def _more(self) -> Images | None:
        return training_images_too(self.config)

    def choice(self) -> WeightsChoice:
        """Choose among the weights so far."""
        judged = [
            JudgedWeights(
                candidate.delivered,
                fit.fitted,
                self.weights.distance(candidate),
                self.also.get(candidate, {}),
                candidate in self.out,
            )
            for candidate, fit in self.fits.items()
        ]
        return choose(judged, self.config.Global.seed)

    def chosen(self) -> Candidate:
        return list(self.fits)[self.choice().at]

    def forgets(self, candidate: Candidate) -> bool:
        """Return whether hmean falls by more than Global.keep_general on a set of Eval.also.

        Such weights are left out from now on.
        """
        bound = self.config.Global.keep_general
        before, after = self._further(self.start), self._further(candidate)
        if bound is not None and any(before[name] - after[name] > bound for name in before):
            self.out.add(candidate)
        return candidate in self.out

    def _further(self, candidate: Candidate) -> dict[str, float]:
        """Return hmean on each set of Eval.also, with the post-processing of Eval's images."""
        if candidate not in self.also:
            config, detector = self.fits[candidate].chosen, self._loaded(candidate)[1]
            self.also[candidate] = {
                name: evaluate(
                    config, detector, self.bar(data.samples(), len(data), f"evaluate {name}")
                ).summary["hmean"]
                for name, data in also_data(config).items()
            }
        return self.also[candidate]

    def _loaded(self, candidate: Candidate) -> tuple[Config, DetectionNetwork]:
        """Return the network, with weights from a file as they will be delivered."""
        with TemporaryDirectory(prefix="ppocr_ft_weights_") as aside:
            path = Path(aside) / f"{FINAL}.pdparams"
            _write(self.config, self.weights.state(candidate), path)
            config = _at(self.config, path)
            return config, network(config)[0]


def _write(config: Config, state: State, path: Path) -> None:
    write_weights(path, to_paddleocr(state, config.Architecture.arguments()))


def _named(bar: ProgressBar, name: str) -> ProgressBar:
    """Return a bar whose titles begin with a name."""

    def shown(items: Iterable[Item], total: int, title: str, unit: str = "image") -> Iterable[Item]:
        return bar(items, total, f"{name}: {title}", unit)

    return shown
