"""`make label-faults`: what is planted, and which findings count as right."""

from __future__ import annotations

import json

import numpy as np
import pytest

from experiments.label_faults import (
    DROPPED,
    JOINED,
    KINDS,
    RESIZED,
    SHARE,
    SHIFTED,
    Asked,
    Faulty,
    Planted,
    faulty,
    precision_rows,
    recall_rows,
)
from ppocr_ft.commands.check.contradictions import Contradictions, SeenImage, contradictions
from tests.commands.check.test_contradictions import SURE, found, lines, pages
from tests.support.pictures import text

IMAGES, TEXTS = 60, 20


def page() -> list[dict[str, object]]:
    return [text(f"t{i}", 20, 10 + 30 * i, 100, 20) for i in range(TEXTS)]


def planted_lines(seed: int) -> Faulty:
    given = [f"{i}.jpg\t{json.dumps(page())}" for i in range(IMAGES)]
    return faulty(given, np.random.default_rng(seed))


def test_one_text_in_twenty_is_spoilt_as_it_is_said() -> None:
    made = planted_lines(0)
    assert len(made.planted) == pytest.approx(SHARE * IMAGES * TEXTS, rel=0.3)
    assert {each.kind for each in made.planted} == set(KINDS)
    for each in made.planted:
        name, _, label = made.lines[each.image].partition("\t")
        assert name == f"{each.image}.jpg"
        texts = json.loads(label)
        if each.kind == DROPPED:
            assert each.place is None
            assert each.text.tolist() not in [one["points"] for one in texts]
            continue
        assert each.place is not None
        new = np.array(texts[each.place]["points"])
        size, moved = np.ptp(new, axis=0), new.mean(axis=0) - each.text.mean(axis=0)
        if each.kind == SHIFTED:
            assert size == pytest.approx([100, 20])
            assert 10 <= np.abs(moved).sum() <= 20
        elif each.kind == RESIZED:
            assert size[0] == 100
            assert size[1] in (10, 40)
        else:
            assert each.kind == JOINED
            assert size == pytest.approx([100, 50])


def test_the_rest_is_as_it_was_and_the_seed_decides() -> None:
    made = planted_lines(1)
    spoilt = {each.image for each in made.planted}
    assert 0 < len(spoilt) < IMAGES
    for image in set(range(IMAGES)) - spoilt:
        assert json.loads(made.lines[image].partition("\t")[2]) == page()
    assert made.lines == planted_lines(1).lines
    assert made.lines != planted_lines(2).lines


class Check:
    """What the experiment needs of a ModelCheck."""

    def __init__(self, seen: list[SeenImage]) -> None:
        self.seen = seen
        self.images = [type("Image", (), {"path": f"{i}.jpg"}) for i in range(len(seen))]
        self.result: Contradictions = contradictions(seen, SURE)


def test_findings_are_planted_the_labels_own_or_wrong() -> None:
    own = lines()[:-1]  # a text without a label, in the labels as they are
    bad = [line for i, line in enumerate(own) if i != 3]
    bad[5] = bad[5] + np.array([0, 12])
    bad[0] = bad[0] + np.array([0, 12])  # which nobody has planted
    planted = [Planted(DROPPED, 0, lines()[3], None), Planted(SHIFTED, 0, lines()[6], 5)]
    planted.append(Planted(RESIZED, 1, lines()[2], 2))  # which isn't found
    assert len(found(0)) == len(lines())
    asked = Asked("set", Faulty([], planted), Check(pages(own)), Check(pages(bad)))  # type: ignore[arg-type]
    by_kind = {row[1]: row[2:] for row in recall_rows(asked)}
    assert by_kind[DROPPED] == ["1", "1", "100%"]
    assert by_kind[RESIZED] == ["1", "0", "0%"]
    assert by_kind["all"] == ["3", "2", "67%"]
    rows = {row[1]: row[2:] for row in precision_rows(asked, [])}
    assert rows["`text-unlabelled`"][:5] == ["2", "1", "1", "1", "0"]
    assert rows["`box-shifted`"][:5] == ["2", "1", "0", "0", "1"]
    assert rows["all"] == ["4", "2", "1", "1", "1", "50%", "67%", "75%"]
    x, y = np.min(asked.clean.seen[0].boxes[-1], axis=0).astype(int)
    judged = precision_rows(asked, [f"0.jpg text-unlabelled {x},{y}"])
    assert judged[-1][2:] == ["4", "2", "1", "0", "1", "50%", "67%", "50%"]
    assert precision_rows(asked, None)[-1][2:] == ["4", "2", "1", "", "1", "50%", "67%", ""]
