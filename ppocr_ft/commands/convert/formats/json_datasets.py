"""The JSON labels of data sets of text: LSVT, ReCTS, MMOCR, HierText, FUNSD and their kin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ppocr_ft.commands.convert.formats.json_files import (
    ImageForm,
    JsonFile,
    category_names,
    expect,
    has,
    json_format,
    numbered,
    object_at,
    read_image,
    read_images,
    string_at,
)
from ppocr_ft.commands.convert.formats.reading import BLOCKS, LINES, WORDS, Draft
from ppocr_ft.commands.convert.formats.sources import below
from ppocr_ft.commands.convert.formats.texts import (
    LabelText,
    Unusable,
    any_polygon,
    edges_box,
    is_set,
    make_text,
    polygon,
)

_REMEDY = "download the file again"


class _Lsvt(ImageForm):
    """LSVT's and ArT's JSON, and UFO's: one file for many images.

    After the task pages of the Robust Reading Competition of 2019 (rrc.cvc.uab.es, challenges 14,
    ArT, and 16, LSVT): an object of images by their names without suffix (``gt_0``), each a list of
    texts with ``points`` [[x, y], ...], ``transcription`` (``###`` for a text to ignore),
    ``illegibility`` and, in ArT, ``language``. UFO (Unified Format OCR) has the same texts by id,
    as ``words`` of ``images`` by their file names, with ``img_w`` and ``img_h``.
    """

    size = ("img_w", "img_h")
    list_of_texts = ("words", "text")

    def image(self, item: dict[str, Any], draft: Draft) -> str:
        return draft.images.by_label(item["name"])

    def text(self, record: dict[str, Any], draft: Draft) -> LabelText:
        points = any_polygon(record.get("points"))
        ignored = is_set(record.get("illegibility"))
        return make_text(points, record.get("transcription"), ignored=ignored)


def _read_lsvt(file: JsonFile) -> None:
    images = file.label["images"] if _is_ufo(file.label) else file.label
    items = []
    for name, value in images.items():
        item = {"words": value} if isinstance(value, list) else value  # LSVT's texts as UFO's image
        items.append((name, {**item, "name": name} if isinstance(item, dict) else item))
    read_images(items, _Lsvt(), file)


def _is_lsvt(label: Any) -> bool:
    return isinstance(label, dict) and any(
        isinstance(word, dict) and word.keys() >= {"points", "transcription", "illegibility"}
        for words in label.values()
        if isinstance(words, list)
        for word in words
    )


def _is_ufo(label: Any) -> bool:
    return has(label, images=dict) and any(
        has(image, words=dict) for image in label["images"].values()
    )


LSVT = json_format(
    "lsvt",
    "JSON of LSVT and ArT: texts by images; UFO's",
    {
        "texts with 'points', 'transcription' and 'illegibility' by images": _is_lsvt,
        "an object 'images' whose images have 'words'": _is_ufo,
    },
    _read_lsvt,
)


class _Rects(ImageForm):
    """ReCTS' JSON files: one for each image.

    After the task page of the Robust Reading Competition of 2019 (rrc.cvc.uab.es, challenge 12):
    ``lines`` and ``chars``, each a list of texts with flat ``points`` of four corners,
    ``transcription`` and ``ignore`` (1 for a text to ignore). The lines are read.
    """

    list_of_texts = ("lines", "line")

    def __init__(self, file: JsonFile) -> None:
        self._path = below(file.path, file.source)

    def image(self, item: dict[str, Any], draft: Draft) -> str:
        return draft.images.by_label(self._path)

    def text(self, record: dict[str, Any], draft: Draft) -> LabelText:
        points = any_polygon(record.get("points"))
        ignored = is_set(record.get("ignore"))
        return make_text(points, record.get("transcription"), ignored=ignored)


def _read_rects(file: JsonFile) -> None:
    draft = file.reading.draft(file.path)
    if file.label["chars"]:
        draft.tally(
            "chars",
            "files have single characters beside their lines: the lines were taken",
            "nothing: a detector learns lines",
        )
    read_image(file.label, _Rects(file), draft)


RECTS = json_format(
    "rects",
    "ReCTS' JSON, a file an image: its lines",
    {"lists 'lines' and 'chars'": lambda label: has(label, lines=list, chars=list)},
    _read_rects,
)


class _Mmocr(ImageForm):
    """MMOCR 1.x's label files of text detection: one JSON for many images.

    After its guide (mmocr.readthedocs.io, "Dataset Preparation"): ``metainfo``, and ``data_list``
    of images with ``img_path``, ``width``, ``height`` and ``instances``, which have ``polygon``
    [x1, y1, ...] or ``bbox`` [left, top, right, bottom], ``ignore``, ``bbox_label`` and, for
    spotting, ``text``. MMOCR 0.x's ``instances_*.json`` are COCO's.
    """

    list_of_texts = ("instances", "instance")

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def image(self, item: dict[str, Any], draft: Draft) -> str:
        return draft.images.by_path([string_at(item, "img_path", "prepare the file again")])

    def text(self, record: dict[str, Any], draft: Draft) -> LabelText:
        if record.get("polygon"):
            points = any_polygon(record["polygon"])
        else:
            points = edges_box(record.get("bbox"), "bbox")
            draft.tally_coordinates(record, "bbox")
            draft.tally_angles(record)
        return make_text(points, record.get("text"), ignored=is_set(record.get("ignore")))

    def category(self, record: dict[str, Any]) -> str | None:
        return self._names.get(str(record.get("bbox_label")))


def _read_mmocr(file: JsonFile) -> None:
    metainfo = object_at(file.label, "metainfo")
    if metainfo.get("task_name") == "textrecog":
        raise Unusable(
            "recognition-labels",
            "its 'metainfo' says 'textrecog': labels of recognition have no outlines",
            "give the file of the task textdet or textspotting",
        )
    form = _Mmocr(category_names(metainfo.get("category")))
    read_images(numbered(file.label["data_list"], "image"), form, file)


MMOCR = json_format(
    "mmocr",
    "MMOCR 1.x's JSON of text detection",
    {"a list 'data_list'": lambda label: has(label, data_list=list)},
    _read_mmocr,
)


class _HierText(ImageForm):
    """HierText's JSON: paragraphs, lines and words of many images in one file.

    After its description (github.com/google-research-datasets/hiertext): ``annotations`` of images
    with ``image_id`` (the file's name without suffix), ``image_width``, ``image_height`` and
    ``paragraphs``, which have ``lines``, which have ``words``; each with ``vertices`` [[x, y], ...]
    and ``legible``, lines and words with ``text``. A line's outline is a loose turned rectangle, a
    word's a tight polygon. Its files are called ``.jsonl``, but are one JSON each.
    """

    size = ("image_width", "image_height")

    def image(self, item: dict[str, Any], draft: Draft) -> str:
        return draft.images.by_label(string_at(item, "image_id", _REMEDY))

    def records(self, item: dict[str, Any], draft: Draft) -> Iterator[tuple[str, Any]]:
        """Yield the records of the level, and those above it that are not divided further."""
        return self._below(item, ["paragraphs", *self._parts(draft)], "")

    def _parts(self, draft: Draft) -> list[str]:
        return ["lines", "words"] if draft.reading.choice.level == WORDS else ["lines"]

    def _below(
        self, record: dict[str, Any], keys: list[str], called: str
    ) -> Iterator[tuple[str, Any]]:
        if not keys:
            yield called, record
            return
        inner: Any = record.get(keys[0])
        expect(inner, list, f"{keys[0]!r} of {called or 'an image'}", _REMEDY)
        if called and not inner:
            yield called, record
        for number, part in enumerate(inner, start=1):
            what = f"{called}, {keys[0][:-1]} {number}".removeprefix(", ")
            expect(part, dict, what, _REMEDY)
            yield from self._below(part, keys[1:], what)

    def text(self, record: dict[str, Any], draft: Draft) -> LabelText:
        """Make a text; an illegible one, and what should be divided but isn't, are ignored."""
        is_divided = any(part in record for part in self._parts(draft))
        ignored = is_divided or not record.get("legible", True)
        return make_text(polygon(record.get("vertices")), record.get("text"), ignored=ignored)


def _read_hiertext(file: JsonFile) -> None:
    read_images(numbered(file.label["annotations"], "image"), _HierText(), file)


def _is_hiertext(label: Any) -> bool:
    return has(label, annotations=list) and any(
        has(image, paragraphs=list) for image in label["annotations"]
    )


HIERTEXT = json_format(
    "hiertext",
    "HierText's JSON: its lines, or words",
    {"'annotations' with 'paragraphs'": _is_hiertext},
    _read_hiertext,
    levels=(LINES, WORDS),
)


class _Funsd(ImageForm):
    """FUNSD's JSON files, one for each image, and XFUND's, one for many.

    After FUNSD's description (guillaumejaume.github.io/FUNSD): ``form`` with blocks, which have
    ``text``, ``box`` [left, top, right, bottom] and ``words`` with the same two; a block may have
    several lines of text. XFUND (github.com/doc-analysis/XFUND) has such blocks as ``document`` of
    each of its ``documents``, and ``img`` with ``fname``, ``width``, ``height``; its words may be
    single characters. So FUNSD's words are read, and XFUND's blocks, if no other level is asked
    for.
    """

    def image(self, item: dict[str, Any], draft: Draft) -> str:
        expect(item["name"], str, "'fname' of 'img'", _REMEDY)
        return draft.images.by_label(item["name"])

    def records(self, item: dict[str, Any], draft: Draft) -> Iterator[tuple[str, Any]]:
        takes_words = (draft.reading.choice.level or item["level"]) == WORDS
        for called, block in numbered(item["blocks"], "block"):
            words = block.get("words") if isinstance(block, dict) and takes_words else None
            if words:
                yield from numbered(words, f"{called}, word")
            else:
                yield called, block

    def text(self, record: dict[str, Any], draft: Draft) -> LabelText:
        """Make a text; one whose transcription is empty is ignored."""
        points = edges_box(record.get("box"), "box")
        draft.tally_coordinates(record, "box", "words", "linking")
        draft.tally_angles(record)
        return make_text(points, record.get("text"), ignored=record.get("text") == "")


def _read_funsd(file: JsonFile) -> None:
    if _is_funsd(file.label):
        name = below(file.path, file.source)
        item = {"name": name, "blocks": file.label["form"], "level": WORDS}
        read_image(item, _Funsd(), file.reading.draft(file.path))
        return
    items = []
    for called, document in numbered(file.label["documents"], "document"):
        item = document
        if isinstance(document, dict):
            image = object_at(document, "img")
            blocks = document.get("document")
            item = {**image, "name": image.get("fname"), "blocks": blocks, "level": BLOCKS}
        items.append((called, item))
    read_images(items, _Funsd(), file)


def _is_funsd(label: Any) -> bool:
    return has(label, form=list)


def _is_xfund(label: Any) -> bool:
    documents = label["documents"] if has(label, documents=list) else [None]
    return not documents or any(has(document, document=list) for document in documents)


FUNSD = json_format(
    "funsd",
    "FUNSD's JSON, a file an image: its words, or blocks; XFUND's: its blocks, or words",
    {
        "a list 'form'": _is_funsd,
        "'documents' with 'document'": _is_xfund,
    },
    _read_funsd,
    levels=(WORDS, BLOCKS),
)
