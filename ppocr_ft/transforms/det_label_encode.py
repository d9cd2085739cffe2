"""The operator that turns a label into polygons, texts and ignore flags."""

from __future__ import annotations

from typing import Any

from ppocr_ft.errors import DataError
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.texts import Texts, parse_texts


@register
class DetLabelEncode:
    """PaddleOCR's operator, but for images without text, which are samples like any other.

    PaddleOCR fills polygons of fewer points up by repeating their last one; here each keeps its
    own number.
    """

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Adds ``polys`` (n of (k, 2) float32), ``texts`` (n) and ``ignore_tags`` (n,) bool.

        Reads ``label``: the JSON of a label line, or the Texts that it was read into.

        Raises:
            DataError: the JSON can't be used, naming ``img_path`` where it is given.
        """
        texts = data["label"]
        if not isinstance(texts, Texts):
            texts = _parse(texts, data.get("img_path"))
        data["polys"] = [texts.polygons[i].copy() for i in range(len(texts))]
        data["texts"] = list(texts.transcriptions)
        data["ignore_tags"] = texts.ignored.copy()
        return data


def _parse(label: str, path: str | None) -> Texts:
    try:
        return parse_texts(label)
    except DataError as fault:
        raise DataError(fault.message, path=path) from None
