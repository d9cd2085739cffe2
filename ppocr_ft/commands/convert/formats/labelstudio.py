"""Label Studio's JSON export: one file for many tasks.

After its guide (labelstud.io/guide/export, /guide/task_format, /tags/rectanglelabels and
/templates/optical_character_recognition): a list of tasks, whose ``data`` holds the image and
whose ``annotations`` hold results. All results of a region share its ``id``: a shape of type
``rectangle(labels)``, ``polygon(labels)`` or ``labels``, and a ``textarea`` with what it says.
Coordinates are percent of ``original_width`` and ``original_height``; a rectangle's ``rotation``
is in degrees clockwise around its left top corner. Uploaded images are
``/data/upload/PROJECT/12345678-name.jpg``, ones from a folder ``/data/local-files/?d=path``.

A record of JSON-MIN has the task's data and, by the names of the labelling configuration's tags,
lists of what was annotated: shapes with their sizes, and transcriptions as plain strings. Their
order alone says to which shape a transcription belongs: Label Studio writes a region's results one
after the other.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ppocr_ft.commands.convert.formats.image_folder import ImageFolder, is_image
from ppocr_ft.commands.convert.formats.json_files import JsonFile, expect, has, json_format
from ppocr_ft.commands.convert.formats.reading import TITLE, Draft
from ppocr_ft.commands.convert.formats.texts import (
    IGNORE_MARKS,
    LabelText,
    Polygon,
    Unusable,
    are_numbers,
    make_text,
    polygon,
    rectangle,
    turned,
)

_REMEDY = "export the project as JSON again"
_RECTANGLE = ("x", "y", "width", "height")
_PLACE = (*_RECTANGLE, "points", "rle", "radiusX", "vertices")
"""The keys that say where a shape is."""
_SHAPES = {"x", "points", "rle", "vertices", "radiusX"}
_LABELS = ("rectanglelabels", "polygonlabels", "labels")
_SHAPE_OF_MIN = "shape"
"""The type of a shape, which JSON-MIN doesn't say."""
_READ_TYPES = {"rectangle", "polygon", "textarea", *_LABELS, _SHAPE_OF_MIN}
_IMAGE_KEYS = ("ocr", "image", "img")
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
_OWN_KEYS_OF_MIN = {
    "id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement",
}  # fmt: skip
_TEXT_TAGS_OF_MIN = ("transcription", "text")


def _read_file(file: JsonFile) -> None:
    tasks = file.label if isinstance(file.label, list) else [file.label]
    for number, task in enumerate(file.bar(tasks, len(tasks), TITLE, "task"), start=1):
        key = task.get("id", f"#{number}") if isinstance(task, dict) else f"#{number}"
        draft = file.reading.draft(file.path, what=f"task {key} of {file.path}")
        _read_task(f"task {key}", task, draft)


def _read_task(called: str, task: Any, draft: Draft) -> None:
    regions: dict[str, list[Any]] = {}
    with draft.part(called):
        task = _as_task(task, draft) if _is_min(task) else task
        annotations = _annotations(task)
        draft.name = _image(task["data"], draft.images)
        if not annotations:
            instead = "predictions but " if task.get("predictions") else ""
            draft.leave_out(
                "not-annotated",
                f"tasks have {instead}no finished annotation: left out",
                "finish them; one without any region makes an image without text",
            )
            return
        regions = _regions(_only(annotations), draft)
        sizes = {_size_px(result) for results in regions.values() for result in results}
        for width, height in sorted(size for size in sizes if are_numbers(size)):
            draft.images.check_size(draft.name, width, height)
    for region, results in regions.items():
        category = _category(results)
        if draft.takes(category):
            with draft.part(f"{called}, region {region}"):
                draft.add(replace(_text(results, draft), category=category))
    draft.reading.finish(draft)


def _annotations(task: Any) -> list[Any]:
    """Return the annotations that were finished."""
    if not has(task, data=dict):
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
    return list(chosen[0]["result"])


def _image(data: dict[str, Any], images: ImageFolder) -> str:
    """Return the name of the image that a task's data lead to."""
    url = _image_url(data)
    path = _path_of(url)
    if not is_image(path):  # an address without suffix: the file of that name, of any suffix
        return images.by_label(unquote(path).strip("/"))
    paths = [url, path, unquote(path)]
    if "/upload/" in path or path.startswith("upload/"):
        name = PurePosixPath(unquote(path)).name
        paths += [name, _UPLOAD_PREFIX.sub("", name)]
    return images.by_path(paths)


def _image_url(data: dict[str, Any]) -> str:
    """Return the one value that is an image's address, known by its suffix or its key."""
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value}
    urls = {key: url for key, url in texts.items() if is_image(_path_of(url))} or {
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
    named = [value for _, value in parse_qsl(parts.query) if is_image(value)]
    return named[0] if named and not is_image(parts.path) else parts.path


def _regions(results: list[Any], draft: Draft) -> dict[str, list[Any]]:
    """Return results by region, and count those that belong to no region.

    Results that other programs made may have no ``id``: then the same place is the same region.
    """
    regions: dict[str, list[Any]] = {}
    for number, result in enumerate(results, start=1):
        expect(result, dict, "a result", _REMEDY)
        value = result.get("value")
        place = _place_of(value) if isinstance(value, dict) else ""
        region = result.get("id") or f"at {place or number}"
        regions.setdefault(str(region), []).append(result)
    shaped = {key: alike for key, alike in regions.items() if any(map(_has_shape, alike))}
    for key in [key for key in regions if key not in shaped]:
        for result in regions[key]:
            draft.tally(
                "other-result",
                f"results of type {result.get('type')!r} belong to no region: not converted",
                "nothing, if they are no texts",
            )
    return shaped


def _has_shape(result: dict[str, Any]) -> bool:
    value = result.get("value")
    return isinstance(value, dict) and not _SHAPES.isdisjoint(value)


def _size_px(result: dict[str, Any]) -> tuple[Any, Any]:
    return result.get("original_width"), result.get("original_height")


def _text(results: list[Any], draft: Draft) -> LabelText:
    shapes = [result for result in results if _has_shape(result)]
    shapes = [shape for shape in shapes if "text" not in shape["value"]] or shapes
    if len({_place_of(shape["value"]) for shape in shapes}) > 1:
        message = "has several shapes under one id"
        raise Unusable("several-shapes", message, "give each shape its own id")
    types = {str(result["type"]) for result in results if "type" in result}
    for kind in sorted(types - _READ_TYPES):
        what = f"results of type {kind!r:.40} of regions are not converted"
        draft.tally("other-result", what, "nothing, if they aren't needed")
    lines: list[str] = []
    for value in (result.get("value") for result in results):
        given = value.get("text") if isinstance(value, dict) else None
        for line in [given] if isinstance(given, str) else given or []:
            expect(line, str, "a line of a transcription", _REMEDY)
            lines.append(line)
    points = _outline(shapes[0], draft)
    if not shapes[0]["value"].get("rotation"):
        draft.tally_angles(shapes[0], shapes[0].get("meta"))
    return make_text(points, " ".join(lines) if lines else None)


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
    width, height = _size_px(shape)
    if not are_numbers([width, height]):
        width, height = draft.images.size_px(str(draft.name))
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


def _as_task(record: dict[str, Any], draft: Draft) -> dict[str, Any]:
    """Return the task of a record of JSON-MIN; count one whose texts can't be told apart."""
    shapes, have_order = _shapes(record)
    lines, tag = _lines(record)
    if lines and not (have_order and len(lines) == len(shapes)):
        _leave_lines(lines, len(shapes), draft)
        lines = []
    results: list[dict[str, Any]] = []
    for number, shape in enumerate(shapes, start=1):
        result: dict[str, Any] = {"id": f"#{number}", "type": _SHAPE_OF_MIN, "value": shape}
        for key in ("original_width", "original_height", "image_rotation"):
            result[key] = shape.get(key)
        results.append(result)
    for number, line in enumerate(lines, start=1):
        results.append({"id": f"#{number}", "type": "textarea", "value": {"text": line}})
    data = {key: value for key, value in record.items() if key not in _OWN_KEYS_OF_MIN | {tag}}
    return {"data": data, "annotations": [{"result": results}]}


def _shapes(record: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """Return each shape once, and whether in the regions' order.

    The tags for a shape and for its label repeat it; one that has all of them has their order.
    """
    lists = [
        [
            item
            for item in value
            if isinstance(item, dict) and _place_of(item) and "text" not in item
        ]
        for key, value in record.items()
        if key not in _OWN_KEYS_OF_MIN and isinstance(value, list)
    ]
    shapes: dict[str, dict[str, Any]] = {}
    for items in sorted(lists, key=len, reverse=True):
        for item in items:
            place = _place_of(item)
            shapes[place] = {**shapes.get(place, {}), **item}
    return list(shapes.values()), len(shapes) == max(map(len, lists), default=0)


def _place_of(shape: dict[str, Any]) -> str:
    """Return a shape's place in words, the same for all results of a region; "" if none."""
    return ", ".join(f"{key} {shape[key]}" for key in _PLACE if key in shape)


def _lines(record: dict[str, Any]) -> tuple[list[Any], str]:
    """Return the transcriptions and the tag that they stand under; none if there is no such tag."""
    for tag in _TEXT_TAGS_OF_MIN:
        value = record.get(tag)
        if value:
            values = value if isinstance(value, list) else [value]
            return [item.get("text") if isinstance(item, dict) else item for item in values], tag
    return [], ""


def _leave_lines(lines: list[Any], shapes: int, draft: Draft) -> None:
    marks = [line for line in lines if isinstance(line, str) and line in IGNORE_MARKS]
    if marks:
        raise Unusable(
            "which-text",
            f"JSON-MIN doesn't say which of {shapes} shapes is {marks[0]!r}, to ignore: it has "
            f"{len(lines)} transcriptions, or no list of all shapes",
            "export the project as JSON",
        )
    draft.tally(
        "which-text",
        "images have transcriptions of which JSON-MIN doesn't say the shape: none was taken",
        "nothing for a detector; export the project as JSON to keep them",
    )


def _are_tasks(label: Any) -> bool:
    tasks = label if isinstance(label, list) else [label]
    return label == [] or any(has(task, data=dict) for task in tasks)


def _is_min(record: object) -> bool:
    return isinstance(record, dict) and "data" not in record and "annotation_id" in record


LABELSTUDIO = json_format(
    "labelstudio",
    "Label Studio's JSON and JSON-MIN: polygons and rectangles, with their text areas",
    {
        "tasks with 'data'": _are_tasks,
        "JSON-MIN's 'annotation_id'": lambda label: (
            isinstance(label, list) and any(map(_is_min, label))
        ),
    },
    _read_file,
)
