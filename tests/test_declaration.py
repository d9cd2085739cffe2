"""A constructor's signature and docstring are a config section, its check and its table."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from experiments.key_table import Key, keys_of
from ppocr_ft.config.schema import GlobalSection
from ppocr_ft.constructor_keys import checked_by, schema_of
from ppocr_ft.declaration import PositiveFloat, PositiveInt, Range, Section, Share
from ppocr_ft.errors import ConfigError
from ppocr_ft.optim.configs import OptimizerSection


class Speckle:
    """Put specks on an image.

    Args:
        p: probability.
        size_px: smallest and largest speck,
            px of the crop.
        shape: outline of a speck.

    Raises:
        ConfigError: a value that can't be used.
    """

    def __init__(
        self,
        p: Share = 0.2,
        size_px: Range[PositiveFloat] = (1.0, 3.0),
        shape: Literal["round", "square"] = "round",
        **kwargs: Any,
    ) -> None:
        self.values = p, size_px, shape, kwargs


SECTION = schema_of(Speckle, Section)
Checked = checked_by(Speckle, SECTION)


def test_the_parameters_are_the_keys() -> None:
    assert keys_of(SECTION) == (
        Key("p", "number, 0 to 1", "0.2", "Probability."),
        Key(
            "size_px",
            "list of 2: number, above 0",
            "[1.0, 3.0]",
            "Smallest and largest speck, px of the crop.",
        ),
        Key("shape", "round, square", "'round'", "Outline of a speck."),
    )


def test_the_constructor_gets_values_as_the_section_reads_them() -> None:
    assert Checked(1, size_px=2, seed=4).values == (1.0, (2.0, 2.0), "round", {"seed": 4})
    assert Checked(size_px=[1, 2]).values == (0.2, (1.0, 2.0), "round", {})


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ({"p": 1.5}, "p", "found 1.5, must be 1 or less"),
        ({"size_px": [3, 1]}, "size_px", "found [3, 1], expected [lowest, highest]"),
        ({"size_px": [0, 1]}, "size_px.0", "found 0, must be above 0"),
        ({"shape": "rnd"}, "shape", "found 'rnd', expected one of round, square"),
        ({"shape": "Round"}, "shape", "did you mean 'round'?"),
        ({"p": "half"}, "p", "found 'half', expected a number"),
        ({"p": -1, "shape": 3}, None, "p: found -1, must be 0 or more; shape: found 3, expected"),
    ],
)
def test_a_wrong_argument_is_named(keys: dict[str, Any], key: str | None, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Checked(**keys)
    assert caught.value.key == key
    assert message in caught.value.message


def test_values_that_dont_go_together_are_refused() -> None:
    class Pair:
        """Hold two numbers.

        Args:
            low: the lower one.
            high: the higher one.
        """

        def __init__(self, low: PositiveInt = 1, high: PositiveInt = 2) -> None:
            self.values = low, high

    def rising(pair: Any) -> None:
        if pair.low >= pair.high:
            raise ValueError(f"low is {pair.low} and high {pair.high}")

    checked = checked_by(Pair, schema_of(Pair, Section, check=rising))
    assert checked(high=3).values == (1, 3)
    with pytest.raises(ConfigError, match="low is 5 and high 2"):
        checked(low=5)


def test_what_code_gives_is_no_key() -> None:
    assert set(schema_of(Speckle, Section, leave_out=("p",)).model_fields) == {"size_px", "shape"}


def test_a_key_without_type_or_meaning_is_no_declaration() -> None:
    def untyped(p=0.2):  # type: ignore[no-untyped-def]
        """Do nothing.

        Args:
            p: probability.
        """

    def unexplained(p: Share = 0.2) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match=r"untyped: its key 'p' has no type"):
        schema_of(untyped, Section)
    with pytest.raises(TypeError, match=r"unexplained: its key 'p' has no line under Args:"):
        schema_of(unexplained, Section)


@pytest.mark.parametrize("section", [GlobalSection, OptimizerSection])
def test_a_written_sections_meanings_stand_below_its_keys(section: type[Section]) -> None:
    meanings = {key.name: key.meaning for key in keys_of(section)}
    assert set(meanings) == set(section.model_fields)
    assert meanings.get("epoch_num", "Length of the run, epochs").startswith("Length of the run, ")
    assert meanings.get("beta1", "Decay of the gradient's mean per step.").endswith("per step.")
