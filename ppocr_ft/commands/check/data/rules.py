"""The rules for label files and images, and their findings."""

from __future__ import annotations

from dataclasses import dataclass

from ppocr_ft.config.faults import Severity
from ppocr_ft.errors import Finding
from ppocr_ft.limits import MOST_LINE_BYTES, MOST_POINTS, MOST_TEXTS
from ppocr_ft.transforms.labels import AS_JSON, IN_QUOTES


@dataclass(frozen=True)
class DataRule:
    """A rule: the common part of its findings.

    ``severity`` is the usual one: docs/check_data.md says when a finding's differs.
    """

    severity: Severity
    meaning: str
    remedy: str


_FIX = "--fix writes"
RULES = {
    "label-missing": DataRule(
        "error", "the label file can't be opened", "correct its path in label_file_list"
    ),
    "label-kind": DataRule(
        "error",
        "a folder, or a file of another kind, was given as a label file",
        "name Label.txt, or what ppocr-ft convert made of the file",
    ),
    "label-empty": DataRule(
        "error", "the label file has no line", "put label lines into it or take it off the list"
    ),
    "label-encoding": DataRule(
        "error", "a line, or the file, is not UTF-8", "save the label file as UTF-8"
    ),
    "label-bom": DataRule(
        "warning",
        "a byte order mark stands before the first line, or before a later one",
        f"save the file as UTF-8 without BOM; {_FIX} it so",
    ),
    "label-delimiter": DataRule(
        "error",
        "the delimiter between image path and JSON is not on the line",
        f"set dataset.delimiter to the one used, or put it there; {_FIX} lines repaired",
    ),
    "label-path": DataRule(
        "error", "no image path stands before the delimiter", "name the image the texts are of"
    ),
    "label-json": DataRule(
        "error",
        "what follows the delimiter is no JSON list",
        f"{AS_JSON}, [] for an image without text; label the image again where the list is lost",
    ),
    "label-large": DataRule(
        "error",
        f"a line has more than {MOST_LINE_BYTES:,} bytes or {MOST_TEXTS:,} texts, or a text more "
        f"than {MOST_POINTS:,} points",
        "cut the image into parts; draw outlines of fewer points",
    ),
    "text-item": DataRule(
        "error", "an element of the list is no JSON object", "write it as an object or delete it"
    ),
    "text-key": DataRule(
        "error",
        "a text lacks the key transcription or points",
        'add it; "###" is the transcription of a text to ignore',
    ),
    "text-transcription": DataRule(
        "error", "a transcription is neither string nor number", IN_QUOTES
    ),
    "points-format": DataRule(
        "error",
        "points are no list of [x, y] numbers",
        "write each point as two numbers, in pixels",
    ),
    "points-few": DataRule(
        "error", "a polygon has fewer than 3 points", "draw the text's outline again"
    ),
    "points-number": DataRule(
        "error",
        "a coordinate is NaN, infinite or beyond 1,000,000 px",
        "draw the text's outline again",
    ),
    "points-order": DataRule(
        "warning",
        "points run anticlockwise, or cross each other in a way that another order repairs",
        f"list them clockwise from the text's upper left corner; {_FIX} them so",
    ),
    "polygon-crossing": DataRule(
        "warning",
        "edges cross or touch each other in any order tried",
        f"draw the outline again; {_FIX} a clean outline where the crossing is small, "
        'else the hull with "###"',
    ),
    "polygon-empty": DataRule(
        "error",
        "less than 1 square pixel lies within a polygon",
        f"draw the text's outline again; {_FIX} the line without it",
    ),
    "polygon-outside": DataRule(
        "warning",
        "a polygon reaches more than 1 px beyond its image",
        f"check that label and image belong together and have one size; {_FIX} it clipped",
    ),
    "polygon-duplicate": DataRule(
        "warning",
        "two texts of a line have the same points",
        f"delete one; {_FIX} the line with the first, a readable one before an ignored one",
    ),
    "data-dir-missing": DataRule(
        "error", "the folder of the images is not there", "correct data_dir"
    ),
    "image-missing": DataRule(
        "error", "an image is not where the line says", "correct the path, or data_dir"
    ),
    "image-ambiguous": DataRule(
        "error",
        "an image is not where the line says, and several files fit its path equally well",
        "set data_dir to the folder that the paths start from, or write the path of the right one",
    ),
    "image-unreadable": DataRule(
        "error",
        "an image is empty, damaged or none",
        f"save it again from its source, as JPEG or PNG; {_FIX} the file without the line",
    ),
    "image-truncated": DataRule(
        "warning",
        "an image file ends too early, and yet OpenCV makes a picture of it",
        "copy or save it again from its source: the part that is missing is grey or black",
    ),
    "image-damaged": DataRule(
        "warning",
        "an image file is damaged, and yet OpenCV makes a picture of it",
        "look at it; if a part is grey or shifted, copy or save it again from its source",
    ),
    "image-exif": DataRule(
        "warning",
        "the camera's EXIF tag turns or mirrors the image",
        "training turns it (DecodeImage.ignore_orientation: True doesn't); make sure that the "
        "labels were drawn on the turned picture, then save it turned and without the tag",
    ),
    "image-alpha": DataRule(
        "warning",
        "an image is transparent, and its colours alone show another picture",
        "here it is drawn on white or on black, whichever shows more; PaddleOCR takes the colours "
        "alone: save it without transparency",
    ),
    "image-plain": DataRule(
        "warning",
        "all pixels of an image with labelled texts have one colour",
        "save it again from its source; look whether another program shows its text",
    ),
    "image-size": DataRule(
        "warning",
        "an image is tiny, huge or very long",
        "cut long pages into parts and reduce huge images, with their labels; leave out tiny ones",
    ),
    "image-row": DataRule(
        "warning",
        "an image is one low row, as cut out of a table",
        "leave it, if the detector is to be given such rows; if not, label whole pages",
    ),
    "image-duplicate": DataRule(
        "warning",
        "the same image, by path or content, is on two lines",
        f"keep the right line; {_FIX} the first",
    ),
    "leak": DataRule(
        "warning",
        "an image of the evaluation is in the training set too",
        f"take it out of one of them, or hmean is too good; {_FIX} the training file without it",
    ),
    "texts-none": DataRule(
        "error",
        "no text of Train, or none of Eval, counts",
        'label texts with a transcription other than "###" and "*", in both',
    ),
    "texts-ignored": DataRule(
        "warning",
        "more than 90 % of the texts of Train, or of Eval, are ignored",
        'make sure that "###" and "*" stand only at texts that nobody can read',
    ),
    "labels-mixed": DataRule(
        "warning",
        "some images are labelled by word and others by line",
        "label all one way: the detector can't know which is wanted",
    ),
}
"""Each rule by its name, in the order of docs/check_data.md."""


def finding(
    rule: str,
    message: str,
    file: str | None,
    line: int | None = None,
    severity: Severity | None = None,
) -> Finding:
    """Return a finding of the rule's severity, or of the given one."""
    about = RULES[rule]
    return Finding(rule, severity or about.severity, message, about.remedy, file, line)
