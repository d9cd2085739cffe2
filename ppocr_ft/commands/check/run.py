"""Check config, labels, weights and pictures before any training.

Works without paddle, except for weights and pictures.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ppocr_ft.commands.check.advice import (
    advise,
    advise_on_length,
    has_weights,
    images_per_epoch,
    steps_per_epoch,
)
from ppocr_ft.commands.check.data import DataReport, check_dataset, write_fixed
from ppocr_ft.commands.check.data.dataset import whole_set_findings
from ppocr_ft.commands.check.data.pictures import look_at
from ppocr_ft.commands.check.diagnosis import (
    ConfigDiagnosis,
    LabelFiles,
    diagnose,
    finding,
    label_files,
)
from ppocr_ft.commands.check.geometry_result import (
    LabelGeometry,
    geometry_faults,
    geometry_png,
    pair_faults,
    small_texts,
)
from ppocr_ft.commands.check.shrink_versions import ShrinkVersions, shrink_versions
from ppocr_ft.commands.check.text_geometry import (
    TYPICAL_TEXTS,
    Polygon,
    crop_sizes,
    end_pair,
    label_geometry,
    pages_in,
    pages_of,
    training_crops,
)
from ppocr_ft.commands.common import beside_runs
from ppocr_ft.config.faults import REMEDIES, Fault, error, tagged, warning
from ppocr_ft.config.load import shipped_configs
from ppocr_ft.config.run_rules import milestones_note
from ppocr_ft.config.schema import AVERAGED, START, Config
from ppocr_ft.errors import ConfigError, Finding, UserInputError
from ppocr_ft.messages import counted
from ppocr_ft.utils.files import check_writable, write_whole
from ppocr_ft.utils.progress import ProgressBar, no_progress, progress
from ppocr_ft.utils.sampling import sample_evenly

if TYPE_CHECKING:
    from ppocr_ft.weights import CoverageReport


GEOMETRY, SAMPLES, FINDINGS = "geometry.png", "samples.png", "check.txt"
LABEL_FAULTS = "label_faults.png"
QUICK_TEXTS = 200
"""So many texts tell in those seconds whether shrink and unclip go together."""
QUICK_IMAGES = 12
"""So many images tell how large training sees their texts."""
QUICK_BYTES = 4 * 2**20
"""Label files larger than this together are not read in the first seconds of a training."""
REFUSED = frozenset({"one-data-set", "label-missing", "label-kind", "label-empty", "texts-none"})
"""Rules about whole data sets: a run that breaks one ends with the message of ``prepare``."""
PICTURE_BYTES = 2**24


@dataclass(frozen=True)
class CheckOptions:
    """The parts to check. ``samples``: how many; 0: no pictures of them.

    ``model`` is the detector that the labels are compared with, as `model_config` takes it.
    """

    images: bool
    weights: bool
    samples: int
    fix: Path | None = None
    model: str | Path | None = None


@dataclass
class Check:
    """The results; None for a part that could not be checked or wasn't wanted, see ``notes``.

    ``files`` are the pictures that were drawn, ``changes`` what the cleaned label files have
    different; ``written`` is the file of all findings, if there is one.
    """

    config: Config | None
    findings: list[Finding]
    ratios: ShrinkVersions | None
    written: Path | None = None
    data: DataReport | None = None
    geometry: LabelGeometry | None = None
    weights: CoverageReport | None = None
    files: list[Path] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def has_errors(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        return {
            "issues": [asdict(finding) for finding in self.findings],
            "ratios": self.ratios and self.ratios.as_dict(),
            "data": self.data
            and {name: asdict(counts) for name, counts in self.data.counts.items()},
            "geometry": self.geometry and self.geometry.as_dict(),
            "weights": self.weights and _coverage(self.weights),
            "changes": self.changes,
            "files": [str(path) for path in self.files],
            "notes": self.notes,
        }


def check(path: str | Path, overrides: Sequence[str], options: CheckOptions) -> Check:
    """Find out all that can be known of a config file without training.

    Never raises for what the user gave: that is in ``findings``. ``geometry.png`` and
    ``samples.png`` go to Global.save_model_dir.
    """
    diagnosis = diagnose(path, overrides)
    result = Check(diagnosis.config, list(diagnosis.findings), diagnosis.ratios)
    _look_at_labels(result, diagnosis, options)
    if diagnosis.config is not None and options.images:
        _hold_out(result, diagnosis.config)
        _look_at_unlabelled(result, diagnosis.config)
    if result.geometry is None and result.ratios and not diagnosis.leaves_out("PostProcess"):
        faults = _about_the_pair(diagnosis.usable, TYPICAL_TEXTS, result.ratios.ours.last)
        result.findings += diagnosis.located(faults)
    if diagnosis.config is not None and not has_weights(diagnosis.config):
        result.notes.append("random weights: Global.pretrained_model is null")
    if diagnosis.config is None:
        result.notes.append("weights and pictures need a config without errors")
    elif find_spec("paddle") is None:
        result.notes.append("weights and pictures need paddle, which isn't installed")
    else:
        if options.weights:
            _look_at_weights(result, diagnosis, diagnosis.config)
        if options.samples and options.images:
            _draw_samples(result, diagnosis.config, options.samples)
        if options.model is not None:
            _ask_model(result, diagnosis.config, options.model)
    return result


def save_findings(result: Check, text: str) -> None:
    """Write the text of all findings to ``check.txt`` in Global.save_model_dir, if it is known."""
    if result.config is not None:
        with _as_finding("pictures", result.findings):
            result.written = _write(result.config, FINDINGS, text.encode())


def precheck(config: Config) -> list[Finding]:
    """Return the findings for the first seconds of a training: config rules, label lines.

    Only a few images are opened, for their sizes. What ``load_config`` has warned of is not
    repeated, nor what every run refuses by itself.
    """
    findings = [finding(fault) for fault in advise(config)]
    with _as_finding("labels", findings):
        labels = label_files(config.model_dump())
        count = images_per_epoch(config, labels["Train"].sources())
        findings += map(finding, advise_on_length(config, count))
        files = {of.label_file for named in labels.values() for of in named.sources()}
        if sum(file.stat().st_size for file in files if file.is_file()) <= QUICK_BYTES:
            report = _check_labels(labels, images=False, find=True, bar=no_progress)
            usable = {part.scan.path for part in report.parts if part.scan.usable.any()}
            # a label file of no use ends the run, in its own words
            findings += [one for one in report.findings if one.file is None or one.file in usable]
            findings += map(finding, _quick_geometry(config, report))
    unsaid = {*REFUSED, *_own_defaults(config)}
    ends_the_run = ("batch-size", "error")  # which says it in its own words
    return [
        one
        for one in findings
        if one.rule not in unsaid and (one.rule, one.severity) != ends_the_run
    ]


def _check_labels(
    labels: Mapping[str, LabelFiles], *, images: bool, find: bool, bar: ProgressBar
) -> DataReport:
    """Check all splits at once, so that images in two are found, and each as a whole.

    Without ``images`` none is opened, without ``find`` none is looked for.
    """
    sources = {split: files.sources(find) for split, files in labels.items()}
    train, evaluation = (sources.pop(split, []) for split in ("Train", "Eval"))
    report = check_dataset(train, evaluation, sources, images=images, bar=bar)
    return replace(report, findings=(*whole_set_findings(report), *report.findings))


def _quick_geometry(config: Config, report: DataReport) -> list[Fault]:
    """Return the warnings that a few texts, and the sizes of a few of Train's images, allow."""
    pages = sample_evenly(pages_of(report), QUICK_TEXTS)
    texts = sample_evenly([polygon for page in pages for polygon in page.polygons], QUICK_TEXTS)
    versions = shrink_versions(config.model_dump())
    faults = _about_the_pair(config, texts, versions.ours.last if versions else 0.0)
    pages = [page for part in report.train for page in pages_in(part, report)]
    some = sample_evenly(pages, QUICK_IMAGES)
    sized = [replace(page, size_px=look_at(page.path).size_px) for page in some]
    sizes = crop_sizes(config, training_crops(config, sized))
    return [*faults, *tagged("small_texts", small_texts(sizes))]


def _own_defaults(config: Config) -> Iterator[str]:
    """Yield the rules on intervals whose value is a shipped config's own, not the user's.

    On a small data set they would speak in every run; its last lines advise then.
    """
    shipped = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in shipped_configs()]
    rules = {"evaluation-interval": "eval_batch_step", "save-interval": "save_epoch_step"}
    for rule, key in rules.items():
        values = [file["Global"].get(key) for file in shipped]
        known = [tuple(value) if isinstance(value, list) else value for value in values]
        if getattr(config.Global, key) in [*known, type(config.Global).model_fields[key].default]:
            yield rule


def _about_the_pair(
    config: Config | None, texts: Sequence[Polygon], shrink_ratio: float
) -> list[Fault]:
    words = "lines of 2 to 16 times their height" if texts is TYPICAL_TEXTS else "these labels"
    if config is None or not texts:
        return []
    try:
        return pair_faults(*end_pair(config, texts, shrink_ratio), words)
    except ConfigError:
        return []  # a shrink ratio that no text survives has its own finding


def _look_at_labels(result: Check, diagnosis: ConfigDiagnosis, options: CheckOptions) -> None:
    if not diagnosis.labels:
        result.notes.append("the config names no label files to look at")
        return
    with _as_finding("labels", result.findings):
        images = options.images
        result.data = _check_labels(diagnosis.labels, images=images, find=images, bar=progress)
        result.findings += result.data.findings
        result.notes += result.data.notes
    if result.data is not None and options.fix is not None:
        with _as_finding("fix", result.findings):
            result.changes = write_fixed(result.data, options.fix)
    usable = diagnosis.usable
    if usable is None or result.data is None:
        return
    if "Train" in diagnosis.labels:
        count = images_per_epoch(usable, diagnosis.labels["Train"].sources())
        result.findings += diagnosis.located(advise_on_length(usable, count))
        note = milestones_note(usable, steps_per_epoch(usable, count) or None)
        result.notes += [note] if note else []
    _look_at_geometry(result, diagnosis, usable)


def _hold_out(result: Check, config: Config) -> None:
    """Note how many images Global.val_ratio holds out; a finding where it can't."""
    from ppocr_ft.factory.label_source import held_out_lines, held_out_note

    if result.data is None or any(one.severity == "error" for one in result.data.findings):
        return
    with _as_finding("held-out", result.findings):
        held = held_out_lines(config)
        result.notes += [held_out_note(held)] if held else []


def _look_at_unlabelled(result: Check, config: Config) -> None:
    """Note how many images a teacher will label; a finding where it can't."""
    from ppocr_ft.factory.unlabelled import KEY, unlabelled_images

    section = config.Train.unlabelled
    if section is None or result.data is None or result.has_errors:
        return
    with _as_finding("unlabelled", result.findings):
        found = unlabelled_images(config, section)
        result.notes += [f"{KEY}: {counted(len(found.paths), 'image')}", *found.notes]
        if section.teacher not in (AVERAGED, START) and find_spec("paddle") is not None:
            from ppocr_ft.runs.models import teacher_config

            teacher_config(config, section.teacher)


def _look_at_geometry(result: Check, diagnosis: ConfigDiagnosis, config: Config) -> None:
    if result.data is None or result.ratios is None or diagnosis.leaves_out("PostProcess"):
        result.notes.append("labels' geometry needs a DB detector's config")
        return
    pages = pages_of(result.data)
    if not pages and not any(counts.images for counts in result.data.counts.values()):
        result.notes.append("labels' geometry needs images: none of the labels' is found")
        return
    try:
        result.geometry = label_geometry(config, pages, result.ratios.ours.last)
    except ConfigError as error:
        result.notes.append(f"labels' geometry: {error}")
        return
    lowered = config.Global.fit_targets  # which lowers min_text_size before the first step
    faults = geometry_faults(result.geometry)
    faults = [fault for fault in faults if not (lowered and fault.rule == "small_texts")]
    result.findings += diagnosis.located(faults)
    if diagnosis.config is not None:
        with _as_finding("pictures", result.findings):
            result.files.append(_write(config, GEOMETRY, geometry_png(result.geometry)))


def _look_at_weights(result: Check, diagnosis: ConfigDiagnosis, config: Config) -> None:
    from ppocr_ft.commands.check.preview import step_memory
    from ppocr_ft.factory.objects import starting_network

    try:
        detector, result.weights = starting_network(config)
        result.notes.append(str(step_memory(config, detector)))
    except UserInputError as reason:
        faults = tagged("weights", [error(reason.key or "Global", reason.message)])
        result.findings += diagnosis.located(faults)
    if result.weights is not None:
        key = "Global.checkpoints" if config.Global.checkpoints else "Global.pretrained_model"
        faults = [warning(key, text) for text in result.weights.warnings]
        result.findings += diagnosis.located(tagged("weights", faults))


def _draw_samples(result: Check, config: Config, count: int) -> None:
    """Draw samples if training can use any label line, as far as is known."""
    from ppocr_ft.commands.check.preview import samples_png

    if result.data is not None and any(part.scan.usable.any() for part in result.data.train):
        with _as_finding("samples", result.findings):
            drawn = samples_png(config, count)
            with _as_finding("pictures", result.findings):
                result.files.append(_write(config, SAMPLES, drawn))


def _ask_model(result: Check, config: Config, model: str | Path) -> None:
    """Add the labels that the model contradicts to the findings, and draw the worst."""
    from ppocr_ft.commands.check.by_model import check_by_model

    if result.data is None or not any(part.scan.usable.any() for part in result.data.parts):
        result.notes.append("--model: there are no labels that it could contradict")
        return
    with _as_finding("model", result.findings):
        asked = check_by_model(result.data, config, model, progress)
        result.findings += asked.findings()
        result.notes.append(asked.note())
        if asked.result.found:
            with _as_finding("pictures", result.findings):
                result.files.append(_write(config, LABEL_FAULTS, asked.sheet_png()))


@contextlib.contextmanager
def _as_finding(rule: str, findings: list[Finding]) -> Iterator[None]:
    """Turn errors that are the user's to mend into findings of this rule."""
    try:
        yield
    except OSError as reason:
        message = f"{reason.filename or 'a file'}: {reason.strerror}"
        findings.append(Finding(rule, "error", message, REMEDIES[rule]))
    except UserInputError as reason:
        message = f"{reason.key}: {reason.message}" if reason.key else reason.message
        remedy = REMEDIES[rule]
        findings.append(Finding(rule, "error", message, remedy, reason.path, reason.line))


def _write(config: Config, name: str, data: bytes) -> Path:
    folder = Path(beside_runs(config, "check").Global.save_model_dir)
    check_writable(folder, PICTURE_BYTES, "Global.save_model_dir")
    write_whole(folder / name, data)
    return folder / name


def _coverage(report: CoverageReport) -> dict[str, Any]:
    parts = ("backbone", "neck", "head")
    return {
        "source": report.source,
        "form": report.form,
        "coverage": report.coverage,
        "parts": {part: report.share([part]) for part in parts},
        "missing": report.keys("missing"),
        "wrong_shape": [str(match) for match in report.select("wrong shape")],
        "unexpected": report.keys("unexpected"),
        "warnings": list(report.warnings),
    }
