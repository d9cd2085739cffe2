"""XML labels, after their published forms: VOC, PAGE, ALTO, CVAT."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ppocr_ft.commands.convert.formats.reading import WORDS, TextChoice
from tests.support.convert_samples import (
    SQUARE,
    Points,
    message,
    places,
    put_images,
    put_text,
    read,
    rectangle,
    rules,
    texts,
)

CORNERS = "10,20 60,20 60,40 10,40"


def voc(*objects: str, name: str = "a.jpg", size: tuple[int, int] = (200, 100)) -> str:
    width, height = size
    return (
        f"<annotation>\n<folder>x</folder><filename>{name}</filename>\n"
        f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
        + "\n".join(objects)
        + "\n</annotation>"
    )


def voc_object(outline: str, name: str = "plate", difficult: int = 0) -> str:
    return f"<object><name>{name}</name><difficult>{difficult}</difficult>{outline}</object>"


BNDBOX = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>60</xmax><ymax>40</ymax></bndbox>"


def robndbox(cx: float, cy: float, w: float, h: float, angle: float) -> str:
    return (
        f"<robndbox><cx>{cx}</cx><cy>{cy}</cy><w>{w}</w><h>{h}</h><angle>{angle}</angle></robndbox>"
    )


VOC: dict[str, tuple[str, Points]] = {
    "box": (BNDBOX, SQUARE),
    "not turned": (robndbox(35, 30, 50, 20, 0), SQUARE),
    "a quarter turn": (
        robndbox(35, 30, 50, 20, math.pi / 2),
        ((45, 5), (45, 55), (25, 55), (25, 5)),
    ),
    "0.1 rad": (  # (-25, -10) goes to (-23.877, -12.446), (25, -10) to (25.873, -7.454)
        robndbox(35, 30, 50, 20, 0.1),
        ((11.123, 17.554), (60.873, 22.546), (58.877, 42.446), (9.127, 37.454)),
    ),
    "polygon beside a box": (
        "<polygon><x1>10</x1><y1>20</y1><x2>60</x2><y2>20</y2><x3>60</x3><y3>40</y3></polygon>"
        + BNDBOX,
        SQUARE[:3],
    ),
}


@pytest.mark.parametrize(("outline", "points"), VOC.values(), ids=VOC)
def test_voc_outlines(tmp_path: Path, outline: str, points: Points) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.xml", voc(voc_object(outline)))
    [entry] = read("voc", tmp_path).entries
    [(_, found)] = texts(entry)
    assert found == points
    assert entry.texts[0].category == "plate"


def test_voc_classes_and_difficult_ones(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    objects = [voc_object(BNDBOX, "plate", 1), voc_object(BNDBOX, "car"), voc_object(BNDBOX, "###")]
    put_text(tmp_path / "a.xml", voc(*objects))
    reading = read("voc", tmp_path)
    found = [(t.transcription, t.category, t.difficult) for t in reading.entries[0].texts]
    assert found == [("text", "plate", True), ("text", "car", False), ("###", "###", False)]
    assert reading.categories == {"plate": 1, "car": 1, "###": 1}


def test_voc_images_are_those_of_the_file_names(tmp_path: Path) -> None:
    """A renamed pair keeps the old name inside, as labelImg leaves it."""
    put_images(tmp_path / "JPEGImages", "new.jpg", "old.jpg", "c.jpg")
    put_text(tmp_path / "Annotations" / "new.xml", voc(name="old.jpg"))
    put_text(tmp_path / "Annotations" / "other.xml", voc(name="c.jpg", size=(0, 0)))
    reading = read("voc", tmp_path / "Annotations", tmp_path / "JPEGImages")
    assert [entry.name for entry in reading.entries] == ["new.jpg", "c.jpg"]
    assert reading.findings == []


def test_voc_faults_have_their_lines(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    bad = BNDBOX.replace("<xmin>10", "<xmin>ten")
    put_text(tmp_path / "a.xml", voc(voc_object(bad), voc_object("<mask/>"), voc_object(BNDBOX)))
    put_text(tmp_path / "b.xml", voc(size=(100, 200)))
    put_text(tmp_path / "c.xml", "<annotation><object></annotation>")
    reading = read("voc", tmp_path)
    assert places(reading, tmp_path) == [
        ("a.xml", 4, "bad-points"),
        ("a.xml", 5, "unsupported-shape"),
        ("b.xml", None, "size-differs"),
        ("c.xml", 1, "broken-xml"),
    ]
    assert reading.entries == []


def test_entities_are_refused(tmp_path: Path) -> None:
    """A document of ten lines may expand to gigabytes."""
    put_images(tmp_path, "a.jpg")
    bomb = '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY x "xxxx"><!ENTITY y "&x;&x;">]>\n'
    put_text(tmp_path / "a.xml", bomb + voc(voc_object(BNDBOX, "&y;")))
    reading = read("voc", tmp_path)
    assert places(reading, tmp_path) == [("a.xml", 2, "doctype")]
    assert reading.left_out == [str(tmp_path / "a.xml")]


ENCODED = {
    "UTF-16": voc(voc_object(BNDBOX, "车牌")).encode("utf-16"),
    "Latin 1": b'<?xml version="1.0" encoding="iso-8859-1"?>'
    + voc(name="\xe4.jpg").encode("latin1"),
}


@pytest.mark.parametrize("content", ENCODED.values(), ids=ENCODED)
def test_encodings_that_xml_declares(tmp_path: Path, content: bytes) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.xml", content)
    assert len(read("voc", tmp_path).entries) == 1


@pytest.mark.parametrize("encoding", ["gb2312", "no-such"])
def test_encodings_that_are_not_read(tmp_path: Path, encoding: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.xml", f'<?xml version="1.0" encoding="{encoding}"?>{voc()}')
    assert rules(read("voc", tmp_path)) == ["broken-xml"]


def page(content: str, image: str = "a.jpg") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">\n'
        f'<Page imageFilename="{image}" imageWidth="200" imageHeight="100">\n{content}\n'
        "</Page></PcGts>"
    )


def line(*inner: str) -> str:
    return f'<TextLine id="l1">{"".join(inner)}</TextLine>'


COORDS = f'<Coords points="{CORNERS}"/>'
SAID = "<TextEquiv><Unicode>one two</Unicode></TextEquiv>"
WORD = (
    '<Word id="w"><Coords points="10,20 30,20 30,40 10,40"/>'
    "<TextEquiv><Unicode>one</Unicode></TextEquiv></Word>"
)
BASELINE = '<Baseline points="1,2 3,4 5,6"/>'
POINTS = '<Coords><Point x="1" y="2"/><Point x="9" y="2"/><Point x="9" y="8"/></Coords>'
READINGS = "".join(
    f'<TextEquiv index="{i}"><Unicode>{said}</Unicode></TextEquiv>'
    for i, said in ((1, "b"), (0, "a"))
)


def region(*inner: str) -> str:
    return f"<TextRegion>{COORDS}{line(*inner)}</TextRegion>"


PAGES: dict[str, tuple[str, tuple[str, Points]]] = {
    "a line": (region(COORDS, SAID), ("one two", SQUARE)),
    "nested": (f"<TextRegion>{region(COORDS, SAID)}</TextRegion>", ("one two", SQUARE)),
    "a table": (
        f"<TableRegion><TableCell>{line(COORDS, SAID)}</TableCell></TableRegion>",
        ("one two", SQUARE),
    ),
    "the base line is no outline": (region(BASELINE, COORDS, SAID), ("one two", SQUARE)),
    "points as elements": (region(POINTS, SAID), ("one two", ((1, 2), (9, 2), (9, 8)))),
    "several readings": (region(COORDS, READINGS), ("a", SQUARE)),
    "no reading": (region(COORDS, "<TextEquiv><Unicode/></TextEquiv>"), ("text", SQUARE)),
    "words are not read for lines": (region(COORDS, WORD, SAID), ("one two", SQUARE)),
}


@pytest.mark.parametrize(("content", "expected"), PAGES.values(), ids=PAGES)
def test_page_lines(tmp_path: Path, content: str, expected: object) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "page" / "0001.xml", page(content))
    reading = read("page", tmp_path / "page", tmp_path)
    assert rules(reading) == []
    assert texts(reading.entries[0]) == [expected]


def test_page_words_on_demand(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.xml", page(region(COORDS, WORD, SAID) + region(COORDS)))
    reading = read("page", tmp_path, choice=TextChoice(level=WORDS))
    assert texts(reading.entries[0]) == [("one", rectangle(10, 20, 30, 40)), ("text", SQUARE)]


def test_page_faults_and_regions_without_lines(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    wrong = COORDS.replace("10,20", "x,20")
    put_text(tmp_path / "a.xml", page(f"{line(SAID)}\n{line(wrong)}"))
    put_text(tmp_path / "b.xml", page(f"<TextRegion>{COORDS}</TextRegion>", "b.jpg"))
    reading = read("page", tmp_path)
    assert places(reading, tmp_path) == [("a.xml", 4, "no-outline"), ("a.xml", 5, "bad-points")]
    assert rules(reading, "warning") == ["region-without-lines"]


def alto(lines: str, unit: str = "pixel") -> str:
    return (
        '<?xml version="1.0"?>\n<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">\n'
        f"<Description><MeasurementUnit>{unit}</MeasurementUnit><sourceImageInformation>"
        "<fileName>a.jpg</fileName></sourceImageInformation></Description>\n"
        '<Layout><Page WIDTH="200" HEIGHT="100.0"><PrintSpace><TextBlock>\n'
        f"{lines}\n</TextBlock></PrintSpace></Page></Layout></alto>"
    )


STRINGS = (
    '<String CONTENT="one" HPOS="10" VPOS="20" WIDTH="20" HEIGHT="20"/><SP/>'
    '<String CONTENT="two" HPOS="40" VPOS="25" WIDTH="20" HEIGHT="15"/>'
)
AT = 'HPOS="10" VPOS="20" WIDTH="50" HEIGHT="20.0"'


def shape(points: str) -> str:
    return f'<Shape><Polygon POINTS="{points}"/></Shape>'


ALTOS = {
    "polygon with commas": (
        f'<TextLine {AT} BASELINE="9 9 8 8">{shape(CORNERS)}{STRINGS}</TextLine>'
    ),
    "polygon with blanks": f"<TextLine>{shape(CORNERS.replace(',', ' '))}{STRINGS}</TextLine>",
    "box": f"<TextLine {AT}>{STRINGS}</TextLine>",
    "box of the words": f"<TextLine>{STRINGS}</TextLine>",
}


@pytest.mark.parametrize("lines", ALTOS.values(), ids=ALTOS)
def test_alto_lines(tmp_path: Path, lines: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.xml", alto(lines))
    reading = read("alto", tmp_path)
    assert reading.findings == []
    assert texts(reading.entries[0]) == [("one two", SQUARE)]
    words = texts(read("alto", tmp_path, choice=TextChoice(level=WORDS)).entries[0])
    assert words == [("one", rectangle(10, 20, 30, 40)), ("two", rectangle(40, 25, 60, 40))]


def test_alto_faults(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.xml", alto('<TextLine ID="l" BASELINE="1 2 3 4"/>'))
    assert places(read("alto", tmp_path), tmp_path) == [("a.xml", 5, "no-outline")]
    put_text(tmp_path / "a.xml", alto("", "mm10"))
    assert rules(read("alto", tmp_path)) == ["bad-structure"]


def cvat(*shapes: str, name: str = "images/a.jpg") -> str:
    return (
        "<annotations><version>1.1</version><meta><task/></meta>\n"
        f'<image id="0" name="{name}" width="200" height="100">\n'
        + "\n".join(shapes)
        + "\n</image>\n"
        '<image id="1" name="b.jpg" width="200" height="100"></image>\n</annotations>'
    )


BOX = 'label="plate" xtl="10" ytl="20" xbr="60" ybr="40" occluded="0"'
CVAT: dict[str, tuple[str, str, Points]] = {
    "box": (f'<box {BOX}><attribute name="text">AB 1</attribute></box>', "AB 1", SQUARE),
    "turned box": (f'<box {BOX} rotation="90"/>', "text", ((45, 5), (45, 55), (25, 55), (25, 5))),
    "a whole turn less 10 degrees": (  # (-25, -10) goes to (-26.357, -5.507)
        f'<box {BOX} rotation="350.00"/>',
        "text",
        ((8.643, 24.493), (57.884, 15.811), (61.357, 35.507), (12.116, 44.189)),
    ),
    "polygon": (
        f'<polygon label="plate" points="{CORNERS.replace(" ", ";")}">'
        '<attribute name="Text">###</attribute></polygon>',
        "###",
        SQUARE,
    ),
}


@pytest.mark.parametrize(("shape", "said", "points"), CVAT.values(), ids=CVAT)
def test_cvat_shapes(tmp_path: Path, shape: str, said: str, points: Points) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_text(tmp_path / "annotations.xml", cvat(shape))
    first, second = read("cvat", tmp_path).entries
    assert texts(first) == [(said, points)]
    assert first.texts[0].category == "plate"
    assert (second.name, second.texts) == ("b.jpg", ())


def test_cvat_faults(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    shapes = ['<polyline label="x" points="1,2;3,4"/>', '<tag label="y"/>', '<mask label="z"/>']
    put_text(tmp_path / "annotations.xml", cvat(*shapes))
    reading = read("cvat", tmp_path)
    assert places(reading, tmp_path) == [
        ("annotations.xml", 3, "unsupported-shape"),
        ("annotations.xml", 5, "unsupported-shape"),
    ]
    assert rules(reading, "warning") == ["other-result"]
    assert read("cvat", tmp_path, choice=TextChoice(without=("x", "z"))).left_out == []
    put_text(tmp_path / "annotations.xml", "<annotations><track/></annotations>")
    assert "video" in message(read("cvat", tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "other"),
    [
        ("voc", page(""), "page"),
        ("page", voc(), "voc"),
        ("cvat", alto(""), "alto"),
        ("alto", cvat(), "cvat"),
        ("voc", "<Annotations/>", "ctw1500"),
    ],
)
def test_another_format_is_named(tmp_path: Path, name: str, content: str, other: str) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_text(tmp_path / "a.xml", content)
    reading = read(name, tmp_path)
    assert rules(reading) == ["bad-structure"]
    assert f"--from {other}" in message(reading)


def test_xml_files_of_other_kinds_beside_the_pages_are_said(tmp_path: Path) -> None:
    """As in Transkribus's exports."""
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "mets.xml", '<?xml version="1.0"?><ns3:mets xmlns:ns3="x"/>')
    put_text(tmp_path / "page" / "a.xml", page(region(COORDS, SAID)))
    reading = read("page", tmp_path)
    assert (len(reading.entries), rules(reading)) == (1, [])
    assert rules(reading, "warning") == ["other-file"]
    assert rules(read("page", tmp_path / "mets.xml")) == ["bad-structure"]


def cvat_attributes(**values: str) -> str:
    pairs = (
        f"<attribute><name>{name}</name><value>{value}</value></attribute>"
        for name, value in values.items()
    )
    return f"<attributes>{''.join(pairs)}</attributes>"


CVAT_VOC: dict[str, tuple[str, Points]] = {
    "upright": ("0.0", SQUARE),
    "clockwise": ("90.0", ((45, 5), (45, 55), (25, 55), (25, 5))),
    "anticlockwise": ("270", ((25, 55), (25, 5), (45, 5), (45, 55))),
    "0.1 rad": (str(math.degrees(0.1)), VOC["0.1 rad"][1]),
}


@pytest.mark.parametrize(("angle", "points"), CVAT_VOC.values(), ids=CVAT_VOC)
def test_voc_of_cvat_has_the_angle_as_an_attribute(
    tmp_path: Path, angle: str, points: Points
) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.xml", voc(voc_object(BNDBOX + cvat_attributes(rotation=angle))))
    reading = read("voc", tmp_path)
    [(_, found)] = texts(reading.entries[0])
    assert found == points
    assert "angle-not-read" not in rules(reading, "warning")


def test_voc_angles_of_unknown_meaning_are_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    inside = BNDBOX.replace("</bndbox>", "<angle>0.5</angle></bndbox>")
    put_text(tmp_path / "a.xml", voc(voc_object(inside), voc_object(BNDBOX + "<theta>3</theta>")))
    reading = read("voc", tmp_path)
    assert [found for _, found in texts(reading.entries[0])] == [SQUARE, SQUARE]
    said = [f.message for f in reading.findings if f.rule == "angle-not-read"]
    assert [m.split(" (")[0] for m in said] == [
        f"1 text has an angle {key!r} of unknown meaning: written without a turn"
        for key in ("angle", "theta")
    ]


def test_flags_among_the_attributes_of_cvat(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    said = [cvat_attributes(Ignore="true"), cvat_attributes(difficult="true", ignore="false")]
    put_text(tmp_path / "voc" / "a.xml", voc(*(voc_object(BNDBOX + each) for each in said)))
    boxes = [
        f'<box label="t" xtl="10" ytl="20" xbr="60" ybr="40"><attribute name="{name}">{value}'
        "</attribute></box>"
        for name, value in (("ignore", "true"), ("difficult", "True"), ("ignore", "false"))
    ]
    image = f'<image name="b.jpg">{"".join(boxes)}</image>'
    put_text(tmp_path / "cvat" / "a.xml", f"<annotations>{image}</annotations>")
    [first] = read("voc", tmp_path / "voc", tmp_path).entries
    [second] = read("cvat", tmp_path / "cvat", tmp_path).entries
    assert [(t.transcription, t.difficult) for t in first.texts] == [("###", False), ("text", True)]
    assert [(t.transcription, t.difficult) for t in second.texts] == [
        ("###", False),
        ("text", True),
        ("text", False),
    ]


NO_NUMBERS = {
    "voc": voc(voc_object(robndbox(35, 30, 50, 20, math.inf))),
    "alto": '<alto><Layout><Page><TextLine HPOS="nan" VPOS="1" WIDTH="2" HEIGHT="3"/></Page>'
    "</Layout></alto>",
    "cvat": '<annotations><image name="a.jpg"><box label="t" xtl="1" ytl="1" xbr="9" ybr="9" '
    'rotation="1e999"/></image></annotations>',
}


@pytest.mark.parametrize(("kind", "content"), NO_NUMBERS.items(), ids=NO_NUMBERS)
def test_numbers_without_an_end_are_faults(tmp_path: Path, kind: str, content: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.xml", content)
    reading = read(kind, tmp_path)
    assert rules(reading) == ["bad-points"]
    assert "expected a number" in message(reading)


def test_a_size_of_400_digits_is_no_size(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.xml", voc().replace("<width>200", f"<width>{'9' * 400}"))
    assert len(read("voc", tmp_path).entries) == 1


@pytest.mark.parametrize("kind", ["cvat", "page", "voc"])
def test_a_missing_image_is_called_as_the_label_calls_it(tmp_path: Path, kind: str) -> None:
    put_images(tmp_path, "other.jpg")
    contents = {
        "cvat": '<annotations><image name="task/gone.jpg"/></annotations>',
        "page": '<PcGts><Page imageFilename="gone.jpg"/></PcGts>',
        "voc": voc(name="gone.jpg"),
    }
    put_text(tmp_path / "export.xml", contents[kind])
    reading = read(kind, tmp_path)
    assert rules(reading) == ["image-missing"]
    assert "gone.jpg is not in" in message(reading)


def test_an_image_of_the_files_own_name_is_none_of_cvat(tmp_path: Path) -> None:
    put_images(tmp_path, "annotations.jpg")
    put_text(tmp_path / "annotations.xml", cvat(name="gone.jpg"))
    reading = read("cvat", tmp_path)
    assert set(rules(reading)) == {"image-missing"}
    assert reading.entries == []
