"""What operators draw at the ends of their ranges: by generators whose numbers all lie there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ppocr_ft.transforms.crops import EastRandomCropData, ScaledCrop
from ppocr_ft.transforms.geometric import Affine, CopyPaste, Fliplr, Perspective, Resize
from ppocr_ft.transforms.photometric import Blur, ColorJitter, JpegCompression, Noise
from ppocr_ft.transforms.random_crop import RandomCrop
from ppocr_ft.transforms.random_perspective import RandomPerspective
from ppocr_ft.transforms.sample import Sample, Window
from tests.support.pictures import page, quads


class Ends:
    """A generator whose whole numbers and numbers of a range are all the lowest or the highest."""

    def __init__(self, highest: bool, random: float | None = None) -> None:
        self.highest = highest
        self._random = np.nextafter(1.0, 0.0) * highest if random is None else random

    def random(self, size: int | None = None) -> Any:
        return self._random if size is None else np.full(size, self._random)

    def uniform(self, low: Any, high: Any, size: Any = None) -> Any:
        end = high if self.highest else low
        return end if size is None else np.full(size, end)

    def integers(self, low: int, high: int | None = None, size: int | None = None) -> Any:
        low, high = (0, low) if high is None else (low, high)
        end = high - 1 if self.highest else low
        return end if size is None else np.full(size, end)

    def permutation(self, values: Any) -> Any:
        return values


SAMPLE = Sample.of(page(quads()))


@pytest.mark.parametrize("p", [0.0, 0.25])
@pytest.mark.parametrize(
    "make",
    [Blur, Noise, JpegCompression, Fliplr, RandomPerspective, lambda p: Perspective(p=p),
     lambda p: Affine(5, p)],
    ids=["Blur", "Noise", "JPEG", "Fliplr", "RandomPerspective", "Perspective", "Affine"],
)  # fmt: skip
def test_a_probability_is_that_of_numbers_below_it(make: Any, p: float) -> None:
    """A generator gives 0.0 now and then, and with probability 0 nothing may happen then."""
    operator = make(p)
    more = [SAMPLE] if isinstance(operator, RandomPerspective) else []
    assert operator.draw(Ends(False, p), *more) is None
    if p:
        assert operator.draw(Ends(False, np.nextafter(p, 0)), *more) is not None


def test_the_crop_around_a_text_is_drawn_as_often_as_asked() -> None:
    """The page becomes 288 x 224 px; the window's highest place is in its lower right corner."""
    places = [ScaledCrop((64, 64), 320, text_p=0.25).draw(Ends(True, n), SAMPLE)
              for n in (0.25, np.nextafter(0.25, 0))]  # fmt: skip
    assert (places[0].left, places[0].top) == (288 - 64, 224 - 64)
    x, y = quads()[-1].min(axis=0) + np.ptp(quads()[-1], axis=0) / 2
    wanted = min(x * 288 / 300, 288 - 64), min(y * 224 / 230, 224 - 64)
    assert (places[1].left, places[1].top) == pytest.approx(wanted)
    assert places[1] != places[0]


@pytest.mark.parametrize(
    ("operator", "lowest", "highest"),
    [
        (JpegCompression(1.0, (20, 40)), 20, 40),
        (Blur(1.0, (0.5, 2.0)), 0.5, 2.0),
        (Resize((0.5, 3.0)), 0.5, 3.0),
        (Affine((-10, 10)), -10, 10),
        (Perspective((0.1, 0.2), 1.0), ((-0.1, -0.1),) * 4, ((0.2, 0.2),) * 4),
    ],
    ids=["JPEG", "Blur", "Resize", "Affine", "Perspective"],
)
def test_the_ends_of_a_range(operator: Any, lowest: Any, highest: Any) -> None:
    assert operator.draw(Ends(False, 0.0)) == lowest
    assert operator.draw(Ends(True, 0.0)) == highest


def test_the_ends_of_several_ranges() -> None:
    jitter = ColorJitter(0.25, 2.0, 0.5, 0.125)
    assert list(vars(jitter.draw(Ends(False))).values()) == [0.75, 0.0, 0.5, -0.125]
    assert list(vars(jitter.draw(Ends(True))).values()) == [1.25, 3.0, 1.5, 0.125]
    grain = Noise(1.0, (1.0, 8.0)).draw(Ends(True, 0.0))
    assert grain is not None
    assert (grain.std, grain.seed) == (8.0, 2**63 - 1)
    view = RandomPerspective(1.0, degrees=4, scale=0.25, shear=10, perspective=0.001)
    small = Sample.of(page(quads(), (320, 160)))
    for highest, sign in ((False, -1), (True, 1)):
        drawn = view.draw(Ends(highest, 0.0), small)
        assert drawn is not None
        assert (drawn.tilt, drawn.degrees, drawn.scale) == (
            (0.002 * sign, 0.002 * sign), 4 * sign, 1 + 0.25 * sign
        )  # fmt: skip
        assert drawn.shear == pytest.approx((0.17632698 * sign,) * 2)  # tan 10 degrees


@pytest.mark.parametrize(
    ("highest", "window"),
    [(False, Window(0, 0, 30, 23)), (True, Window(300 - 96, 230 - 96, 96, 96))],
)
def test_the_ends_of_a_window(highest: bool, window: Window) -> None:
    """A tenth of the page's sides, and three times the crop's."""
    text = np.float32([[2, 2], [22, 2], [22, 12], [2, 12]])
    whole = Sample.of(page([text, text + np.float32([270, 210])], (300, 230)))
    drawn = RandomCrop((32, 32)).draw(Ends(highest), whole)
    assert drawn.window == window
    assert drawn.left_share == drawn.top_share == (np.nextafter(1.0, 0.0) if highest else 0)
    after = RandomCrop((128, 128)).apply(RandomCrop((128, 128)).draw(Ends(highest), whole), whole)
    x, y = (128 - side for side in after.filled_px) if highest else (0, 0)
    assert after.filled_from == (x, y)


@pytest.mark.parametrize(
    ("columns", "least", "window"),
    [
        ((6, 5), 0.0, Window(5, 0, 1, 229)),
        ((5, 5), 0.0, Window(0, 0, 300, 230)),
        ((35, 5), 0.1, Window(5, 0, 30, 229)),
        ((34, 5), 0.1, Window(0, 0, 300, 230)),
    ],
)
def test_the_least_side_of_a_window(columns: Any, least: float, window: Window) -> None:
    """Around a text that is narrower than a pixel: 1 px, or a tenth of 300; else the whole page."""
    narrow = np.float32([[5.2, 60], [5.4, 60], [5.4, 60.2], [5.2, 60.2]])
    rng = SimpleNamespace(integers=lambda *_, size: next(numbers))
    numbers = iter([np.array(columns), np.array([0, 229])])
    crop = EastRandomCropData(max_tries=1, min_crop_side_ratio=least)
    assert crop.draw(rng, Sample.of(page([narrow]))) == window  # type: ignore[arg-type]


@pytest.mark.parametrize(("highest", "degrees"), [(False, 0), (True, 359)])
def test_the_ends_of_a_place_to_paste_at(highest: bool, degrees: int) -> None:
    """A text at 0 degrees, 40 x 20 px: from the upper left corner to the lower right one."""
    other = page([np.float32([[50, 60], [90, 60], [90, 80], [50, 80]])])
    sample = Sample.of({**page([], (300, 230)), "ext_data": [other]})
    (one,) = CopyPaste(1.0).draw(Ends(highest), sample)
    angle = np.degrees(np.arctan2(one.matrix[1, 0], one.matrix[0, 0])) % 360
    assert angle == pytest.approx(-degrees % 360)
    (pasted,) = CopyPaste(1.0).apply((one,), sample).texts.polygons
    ends = pasted.max(axis=0) if highest else pasted.min(axis=0)
    corner = np.array([300, 230] if highest else [0, 0])
    assert (np.abs(ends - corner) < 1).all()
