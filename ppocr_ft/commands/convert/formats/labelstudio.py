"""Label Studio's JSON export: one file for many tasks.

After its guide (labelstud.io/guide/export, /guide/task_format, /tags/rectanglelabels and
/templates/optical_character_recognition): a list of tasks, whose ``data`` holds the image and
whose ``annotations`` hold results. All results of a region share its ``id``: a shape of type
``rectangle(labels)``, ``polygon(labels)`` or ``labels``, and a ``textarea`` with what it says.
Coordinates are percent of ``original_width`` and ``original_height``; a rectangle's ``rotation``
is in degrees clockwise around its left top corner. Uploaded images are
``/data/upload/PROJECT/12345678-name.jpg``, ones from a folder ``/data/local-files/?d=path``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Format, Reading
from ppocr_ft.commands.convert.formats.recognition import Sample
from ppocr_ft.commands.convert.formats.sources import expect, read_json, source_files
from ppocr_ft.commands.convert.formats.texts import (
    LabelText,
    Polygon,
    Unusable,
    are_numbers,
    make_text,
    polygon,
)
from ppocr_ft.data.images import IMAGE_SUFFIXES
from ppocr_ft.utils.progress import ProgressBar

_REMEDY = "export the project as JSON again"
_RECTANGLE = ("x", "y", "width", "height")
_SHAPES = {"x", "points", "rle", "vertices", "radiusX"}
_LABELS = ("rectanglelabels", "polygonlabels", "labels")
_IMAGE_KEYS = ("ocr", "image")
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
_DECIMALS = 3
"""A thousandth of a pixel: less than what percentages say."""


def read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a JSON file, or all of a folder."""
    for path in source_files(source, ".json"):
        try:
            tasks = _tasks(read_json(path))
        except Unusable as fault:
            reading.report(fault, path)
            continue
        for number, task in enumerate(bar(tasks, len(tasks), TITLE, "task"), start=1):
            key = task.get("id", f"#{number}") if isinstance(task, dict) else f"#{number}"
            draft = reading.draft(path, what=f"task {key} of {path}")
            _read_task(f"task {key}", task, draft)


def _tasks(label: Any) -> list[Any]:
    if isinstance(label, dict) and "data" in label:
        return [label]
    if isinstance(label, list):
        return label
    raise Unusable(
        "bad-structure", f"found a JSON {type(label).__name__}; expected a list of tasks", _REMEDY
    )


def _read_task(called: str, task: Any, draft: Draft) -> None:
    regions: dict[str, list[Any]] = {}
    with draft.part(called):
        annotations = _annotations(task)
        draft.name = draft.reading.images.by_path(_image_paths(task["data"]))
        if not annotations:
            _leave_unannotated(called, draft)
            return
        regions = _regions(_only(annotations), draft, called)
        _check_sizes(regions, draft)
    for region, results in regions.items():
        category = _category(results)
        with draft.part(f"{called}, region {region}", category=category):
            text = replace(_text(results, draft), category=category)
            draft.add(text, f"{draft.file}, {called}, region {region}")
    draft.reading.finish(draft)


def _annotations(task: Any) -> list[Any]:
    """Return the annotations that were finished."""
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise Unusable(
            "bad-structure",
            f"found {task!r:.60}; expected a task with 'data' and 'annotations'",
            "export the project as JSON, not as JSON-MIN or another format",
        )
    annotations: Any = task.get("annotations", task.get("completions"))
    expect(annotations, list, "'annotations'", _REMEDY)
    for annotation in annotations:
        expect(annotation, dict, "an annotation", _REMEDY)
        expect(annotation.get("result"), list, "'result' of an annotation", _REMEDY)
    return [annotation for annotation in annotations if not annotation.get("was_cancelled")]


def _only(annotations: list[Any]) -> list[Any]:
    """Return the results of the one annotation, or of the one that is marked as the truth."""
    truths = [annotation for annotation in annotations if annotation.get("ground_truth")]
    chosen = truths if len(truths) == 1 else annotations
    if len(chosen) > 1:
        raise Unusable(
            "several-annotations",
            f"has {len(chosen)} annotations, none of them alone the ground truth",
            "delete all but one, or mark one as ground truth",
        )
    results: list[Any] = chosen[0]["result"]
    return results


def _leave_unannotated(called: str, draft: Draft) -> None:
    draft.reading.mentioned.add(str(draft.name))
    draft.reading.tally(
        "not-annotated",
        "tasks have no finished annotation: left out",
        "finish them; one without any region makes an image without text",
        f"{draft.file}, {called}",
    )


def _image_paths(data: dict[str, Any]) -> list[str]:
    """Return the names that the image may have, the likeliest first."""
    urls = {
        key: url
        for key, url in data.items()
        if isinstance(url, str) and PurePosixPath(_path_of(url)).suffix.lower() in IMAGE_SUFFIXES
    }
    keys = [key for key in _IMAGE_KEYS if key in urls] or list(urls)
    if len(keys) != 1 and len(urls) != 1:
        raise Unusable(
            "bad-structure",
            f"'data' names {len(urls)} images ({', '.join(urls) or 'its keys'}: {data!r:.60})",
            f"name the image by one of the keys {' and '.join(_IMAGE_KEYS)}",
        )
    url = urls[keys[0]]
    path = _path_of(url)
    paths = [url, path, unquote(path)]
    if "/upload/" in path or path.startswith("upload/"):
        name = PurePosixPath(unquote(path)).name
        paths += [name, _UPLOAD_PREFIX.sub("", name)]
    return paths


def _path_of(url: str) -> str:
    """Return the path in a URL, still quoted; for a file from a folder that in ``?d=``."""
    _, marker, path = url.partition("/local-files/?d=")
    if marker:
        return path
    if "://" not in url:
        return url
    try:
        return urlsplit(url).path
    except ValueError:
        return url


def _regions(results: list[Any], draft: Draft, called: str) -> dict[str, list[Any]]:
    """Return results by region, and report those that belong to no region."""
    regions: dict[str, list[Any]] = {}
    for result in results:
        expect(result, dict, "a result", _REMEDY)
        regions.setdefault(str(result.get("id")), []).append(result)
    for region in [
        key for key, region_results in regions.items() if not any(map(_has_shape, region_results))
    ]:
        for result in regions.pop(region):
            draft.reading.tally(
                "other-result",
                f"results of type {result.get('type')!r} belong to no region: not converted",
                "nothing, if they are no texts",
                f"{draft.file}, {called}",
            )
    return regions


def _has_shape(result: dict[str, Any]) -> bool:
    value = result.get("value")
    return isinstance(value, dict) and not _SHAPES.isdisjoint(value)


def _check_sizes(regions: dict[str, list[Any]], draft: Draft) -> None:
    sizes = {
        (result.get("original_width"), result.get("original_height"))
        for results in regions.values()
        for result in results
        if are_numbers([result.get("original_width"), result.get("original_height")])
    }
    for width, height in sorted(sizes):
        draft.reading.images.check_size(str(draft.name), round(width), round(height))


def _text(results: list[Any], draft: Draft) -> LabelText:
    shape = next(result for result in results if _has_shape(result))
    words = [line for result in results for line in _said(result)]
    return make_text(_outline(shape, draft), " ".join(words) if words else None)


def _said(result: dict[str, Any]) -> Iterator[str]:
    value = result.get("value")
    text = value.get("text") if isinstance(value, dict) else None
    for line in [text] if isinstance(text, str) else text or []:
        expect(line, str, "a line of a transcription", _REMEDY)
        yield line


def _category(results: list[Any]) -> str | None:
    """Return the label of a region; several of them are joined by commas."""
    values = [result["value"] for result in results if _has_shape(result)]
    lists = [value[key] for value in values for key in _LABELS if isinstance(value.get(key), list)]
    return ", ".join(dict.fromkeys(str(label) for labels in lists for label in labels)) or None


def _outline(shape: dict[str, Any], draft: Draft) -> Polygon:
    if shape.get("image_rotation"):
        raise Unusable(
            "rotated-image",
            f"was drawn on the image rotated by {shape['image_rotation']!r:.20} degrees",
            "rotate the image file itself and annotate that",
        )
    width: Any = shape.get("original_width")
    height: Any = shape.get("original_height")
    if not are_numbers([width, height]):
        width, height = draft.reading.images.size_px(str(draft.name))
    corners = _corners(shape, float(width), float(height))
    return tuple((round(x, _DECIMALS), round(y, _DECIMALS)) for x, y in corners)


def _corners(shape: dict[str, Any], width_px: float, height_px: float) -> Polygon:
    """Return the shape's points in px."""
    value = shape["value"]
    if "points" in value:
        points = polygon(value["points"])
        return tuple((x * width_px / 100, y * height_px / 100) for x, y in points)
    if not set(_RECTANGLE) <= set(value):
        raise Unusable(
            "unsupported-shape",
            f"is of type {shape.get('type')!r:.40}; a text needs a rectangle or a polygon",
            "draw it as a rectangle or a polygon",
        )
    edges = [value[key] for key in _RECTANGLE]
    turn = value.get("rotation") or 0
    if not are_numbers([*edges, turn]):
        raise Unusable("bad-points", f"found {edges!r:.60} as x, y, width, height", _REMEDY)
    x, y, width, height = (
        edge * whole / 100 for edge, whole in zip(edges, [width_px, height_px] * 2, strict=True)
    )
    return _turned(x, y, width, height, math.radians(turn))


def _turned(x: float, y: float, width: float, height: float, turn: float) -> Polygon:
    """Turn a rectangle clockwise (y points down) around its left top corner."""
    if width <= 0 or height <= 0:
        raise Unusable(
            "empty-box", f"the box is {width:g} x {height:g} px", "remove it, or draw it again"
        )
    cos, sin = math.cos(turn), math.sin(turn)
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    return tuple((x + a * cos - b * sin, y + a * sin + b * cos) for a, b in corners)


def _recognise(sample: Sample) -> str | None:
    tasks = sample.json
    first = tasks[0] if isinstance(tasks, list) and tasks else tasks
    has_keys = isinstance(first, dict) and "data" in first and "annotations" in first
    return "holds tasks with 'data' and 'annotations'" if has_keys else None


FORMAT = Format(
    "labelstudio",
    "Label Studio's JSON export: polygons and rectangles, with their text areas",
    read,
    recognise=_recognise,
)
