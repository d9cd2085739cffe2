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

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ppocr_ft.commands.convert.formats.image_folder import ImageFolder
from ppocr_ft.commands.convert.formats.json_forms import JsonFile, json_format
from ppocr_ft.commands.convert.formats.labelstudio_min import (
    SHAPE_OF_MIN,
    as_task,
    is_min,
    place_of,
)
from ppocr_ft.commands.convert.formats.outlines import tally_angles
from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Reading
from ppocr_ft.commands.convert.formats.sources import expect
from ppocr_ft.commands.convert.formats.texts import (
    LabelText,
    Polygon,
    Unusable,
    are_numbers,
    make_text,
    polygon,
    rectangle,
    turned,
)
from ppocr_ft.data.images import IMAGE_SUFFIXES
from ppocr_ft.utils.progress import ProgressBar

_REMEDY = "export the project as JSON again"
_RECTANGLE = ("x", "y", "width", "height")
_SHAPES = {"x", "points", "rle", "vertices", "radiusX"}
_LABELS = ("rectanglelabels", "polygonlabels", "labels")
_READ_TYPES = {"rectangle", "polygon", "textarea", *_LABELS, SHAPE_OF_MIN}
_IMAGE_KEYS = ("ocr", "image", "img")
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")


def _read_file(file: JsonFile, reading: Reading, bar: ProgressBar) -> None:
    tasks = file.label if isinstance(file.label, list) else [file.label]
    for number, task in enumerate(bar(tasks, len(tasks), TITLE, "task"), start=1):
        key = task.get("id", f"#{number}") if isinstance(task, dict) else f"#{number}"
        draft = reading.draft(file.path, what=f"task {key} of {file.path}")
        _read_task(f"task {key}", task, draft)


def _read_task(called: str, task: Any, draft: Draft) -> None:
    regions: dict[str, list[Any]] = {}
    with draft.part(called):
        task = as_task(task, draft, f"{draft.file}, {called}") if is_min(task) else task
        annotations = _annotations(task)
        draft.name = _image(task["data"], draft.reading.images)
        if not annotations:
            _leave_unannotated(called, draft, "predictions" if task.get("predictions") else "")
            return
        regions = _regions(_only(annotations), draft, called)
        _check_sizes(regions, draft)
    for region, results in regions.items():
        category = _category(results)
        if draft.leaves_out(category):
            continue
        with draft.part(f"{called}, region {region}", category=category):
            where = f"{draft.file}, {called}, region {region}"
            draft.add(replace(_text(results, draft, where), category=category), where)
    draft.reading.finish(draft)


def _annotations(task: Any) -> list[Any]:
    """Return the annotations that were finished."""
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise Unusable(
            "bad-structure",
            f"found {task!r:.60}; expected a task with 'data' and 'annotations'",
            "export the project as JSON or JSON-MIN",
        )
    annotations: Any = task.get("annotations", task.get("completions"))
    if annotations is None:  # a task to be annotated, perhaps with predictions
        return []
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


def _leave_unannotated(called: str, draft: Draft, instead: str) -> None:
    draft.reading.mentioned.add(str(draft.name))
    draft.reading.tally(
        "not-annotated",
        f"tasks have {instead and instead + ' but '}no finished annotation: left out",
        "finish them; one without any region makes an image without text",
        f"{draft.file}, {called}",
    )


def _image(data: dict[str, Any], images: ImageFolder) -> str:
    """Return the name of the image that a task's data lead to."""
    url = _image_url(data)
    path = _path_of(url)
    if not _is_image(url):  # an address without suffix: the file of that name, of any suffix
        return images.by_label(unquote(path).strip("/"))
    paths = [url, path, unquote(path)]
    if "/upload/" in path or path.startswith("upload/"):
        name = PurePosixPath(unquote(path)).name
        paths += [name, _UPLOAD_PREFIX.sub("", name)]
    return images.by_path(paths)


def _image_url(data: dict[str, Any]) -> str:
    """Return the one value that is an image's address, known by its suffix or its key."""
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value}
    urls = {key: url for key, url in texts.items() if _is_image(url)} or {
        key: url for key, url in texts.items() if key in _IMAGE_KEYS
    }
    keys = [key for key in _IMAGE_KEYS if key in urls] or list(urls)
    if len(keys) != 1 and len(urls) != 1:
        raise Unusable(
            "bad-structure",
            f"'data' names {len(urls) or 'no'} images ({', '.join(urls) or 'it is'}: {data!r:.60})",
            f"name the image by one of the keys {' and '.join(_IMAGE_KEYS)}",
        )
    return urls[keys[0]]


def _is_image(url: str) -> bool:
    return PurePosixPath(_path_of(url)).suffix.lower() in IMAGE_SUFFIXES


def _path_of(url: str) -> str:
    """Return the path in a URL, still quoted; the file's name if only the query has one."""
    _, marker, path = url.partition("/local-files/?d=")
    if marker:
        return path
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    names = [value for _, value in parse_qsl(parts.query)]
    has_suffix = PurePosixPath(parts.path).suffix.lower() in IMAGE_SUFFIXES
    named = [n for n in names if PurePosixPath(n).suffix.lower() in IMAGE_SUFFIXES]
    return named[0] if named and not has_suffix else parts.path


def _regions(results: list[Any], draft: Draft, called: str) -> dict[str, list[Any]]:
    """Return results by region, and report those that belong to no region.

    Results that other programs made may have no ``id``: then the same place is the same region.
    """
    regions: dict[str, list[Any]] = {}
    for number, result in enumerate(results, start=1):
        expect(result, dict, "a result", _REMEDY)
        value = result.get("value")
        place = place_of(value) if isinstance(value, dict) else ""
        region = result.get("id") or f"at {place or number}"
        regions.setdefault(str(region), []).append(result)
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
        draft.reading.images.check_size(str(draft.name), width, height)


def _text(results: list[Any], draft: Draft, where: str) -> LabelText:
    shapes = [result for result in results if _has_shape(result)]
    shapes = [shape for shape in shapes if "text" not in shape["value"]] or shapes
    if len({place_of(shape["value"]) for shape in shapes}) > 1:
        raise Unusable(
            "several-shapes", "has several shapes under one id", "give each shape its own id"
        )
    for kind in sorted(
        {str(result["type"]) for result in results if "type" in result} - _READ_TYPES
    ):
        what = f"results of type {kind!r:.40} of regions are not converted"
        draft.reading.tally("other-result", what, "nothing, if they aren't needed", where)
    shape = shapes[0]
    words = [line for result in results for line in _said(result)]
    points = _outline(shape, draft)
    if not shape["value"].get("rotation"):
        tally_angles(draft, (shape, shape.get("meta")), where)
    return make_text(points, " ".join(words) if words else None)


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
    value = shape["value"]
    if "points" in value:
        points = polygon(value["points"])
        return turned(tuple((x * width / 100, y * height / 100) for x, y in points), 0)
    if not set(_RECTANGLE) <= set(value):
        raise Unusable(
            "unsupported-shape",
            f"is of type {shape.get('type')!r:.40}; a text needs a rectangle or a polygon",
            "draw it as a rectangle or a polygon",
        )
    return _turned_rectangle(value, float(width), float(height))


def _turned_rectangle(value: dict[str, Any], width_px: float, height_px: float) -> Polygon:
    """Return the corners, turned clockwise around the left top one."""
    edges = [value[key] for key in _RECTANGLE]
    degrees = value.get("rotation") or 0
    if not are_numbers([*edges, degrees]):
        raise Unusable(
            "bad-points",
            f"found {edges!r:.60} as x, y, width, height and {degrees!r:.20} as rotation",
            _REMEDY,
        )
    x, y, width, height = (
        edge * whole / 100 for edge, whole in zip(edges, [width_px, height_px] * 2, strict=True)
    )
    return turned(rectangle(x, y, x + width, y + height), degrees, (x, y))


def _is_task(task: Any) -> bool:
    return isinstance(task, dict) and isinstance(task.get("data"), dict)


def _are_tasks(label: Any) -> bool:
    return label == [] or any(map(_is_task, label if isinstance(label, list) else [label]))


FORMAT = json_format(
    "labelstudio",
    "Label Studio's JSON and JSON-MIN: polygons and rectangles, with their text areas",
    {
        "tasks with 'data'": _are_tasks,
        "JSON-MIN's 'annotation_id'": lambda label: (
            isinstance(label, list) and any(map(is_min, label))
        ),
    },
    _read_file,
)
