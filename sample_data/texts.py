"""What the fields say: readings, serial numbers, dates, lots and captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sample_data.patch import Rng

T = TypeVar("T")


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CAPTIONS = words(
    "PRESSURE FLOW TEMP SPEED LEVEL POWER SETPOINT OUTPUT TORQUE CURRENT VOLTAGE ALARM PUMP "
    "VALVE ZONE BATCH COUNT CYCLE TIMER INLET RETURN SUPPLY TANK MOTOR HEATER VACUUM TOTAL MODE"
)
UNITS = words("bar kPa °C V A Hz rpm kW mm kg L/min m³/h psi mbar kWh %")
MESSAGES = words("READY RUN HOLD FAULT START CLOSED OPEN PURGE DRAIN REMOTE LOCAL SERVICE STOP")
PLATE_WORDS = words("TYPE MODEL SERIAL CLASS RATED MOTOR MADE INPUT WEIGHT CODE PART DATE REF")
MONTHS = words("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def pick(rng: Rng, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def digits(rng: Rng, count: int) -> str:
    return "".join(str(int(d)) for d in rng.integers(0, 10, count))


def letters(rng: Rng, count: int) -> str:
    return "".join(pick(rng, LETTERS) for _ in range(count))


def reading(rng: Rng) -> str:
    """Return a number as a meter shows it: ``23.5``, ``1480``, ``-12.7``, ``08:45``."""
    kind = int(rng.integers(6))
    if kind == 0:
        return f"{int(rng.integers(24)):02d}:{int(rng.integers(60)):02d}"
    whole = digits(rng, int(rng.integers(2, 6)))
    if kind == 1:
        return whole
    cut = int(rng.integers(1, len(whole)))
    sign = "-" if kind == 2 else ""
    return f"{sign}{whole[:cut]}.{whole[cut:]}"


def message(rng: Rng) -> str:
    """Return a text of an alphanumeric display."""
    word = pick(rng, MESSAGES)
    return word if rng.random() < 0.5 else f"{word} {digits(rng, int(rng.integers(1, 4)))}"


def date(rng: Rng) -> str:
    year, month, day = (int(rng.integers(*bounds)) for bounds in ((24, 32), (1, 13), (1, 29)))
    return pick(
        rng,
        (
            f"{day:02d}.{month:02d}.20{year}",
            f"20{year}/{month:02d}/{day:02d}",
            f"{day:02d} {MONTHS[month - 1]} {year}",
            f"{month:02d} {year}",
            f"{day:02d}-{month:02d}-{year}",
        ),
    )


def best_before(rng: Rng) -> str:
    return f"{pick(rng, ('EXP', 'BBE', 'MFG', 'BB', 'USE BY'))} {date(rng)}"


def lot(rng: Rng) -> str:
    return pick(
        rng,
        (
            f"LOT {digits(rng, 5)}{letters(rng, 1)}",
            f"L{digits(rng, 4)} {digits(rng, 2)}:{digits(rng, 2)}",
            f"{letters(rng, 2)}{digits(rng, 6)}",
            f"BATCH {digits(rng, 4)}",
        ),
    )


def serial(rng: Rng) -> str:
    return pick(
        rng,
        (
            f"SN {digits(rng, 4)}-{digits(rng, 4)}",
            f"{letters(rng, 1)}{digits(rng, 1)}{letters(rng, 1)} {digits(rng, 4)}",
            f"NO {digits(rng, 6)}",
            f"{digits(rng, 3)} {digits(rng, 3)} {digits(rng, 2)}",
            f"{letters(rng, 3)}-{digits(rng, 4)}",
        ),
    )


def plate_row(rng: Rng) -> tuple[str, str]:
    """Return a name plate's printed key and its stamped value."""
    value = pick(rng, (serial(rng), date(rng), f"{digits(rng, 3)} {pick(rng, UNITS[:10])}"))
    return pick(rng, PLATE_WORDS), value


def tag(rng: Rng) -> str:
    """Return a short code on a label tape."""
    return pick(
        rng,
        (
            f"{pick(rng, CAPTIONS)} {int(rng.integers(1, 9))}",
            f"{letters(rng, 2)}-{digits(rng, 3)}",
            pick(rng, MESSAGES),
            f"{letters(rng, 1)}{digits(rng, 2)}",
        ),
    )
