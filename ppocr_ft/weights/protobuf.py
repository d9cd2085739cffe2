"""Protocol buffers' wire format, as far as Paddle's files need it."""

from __future__ import annotations

from collections.abc import Iterator

from ppocr_ft.errors import WeightsError

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST_VARINT = 10  # bytes


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field: an int, or the bytes of a string or message inside.

    Raises WeightsError for what isn't a message.
    """
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == _BYTES:
            length, position = _varint(message, position)
        elif wire_type in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if wire_type == _EIGHT_BYTES else 4
        else:
            raise WeightsError("is damaged: not a protocol buffer")
        if length > len(message) - position:
            raise WeightsError("is damaged or cut off: a field goes past its end")
        yield number, message[position : position + length]
        position += length


def submessages(message: memoryview, number: int) -> Iterator[memoryview]:
    """The fields of one number that hold a message or string."""
    for found, value in fields(message):
        if found == number and isinstance(value, memoryview):
            yield value


def strings(message: memoryview, number: int) -> list[str]:
    """The strings of one field number. Raises WeightsError where they aren't UTF-8."""
    try:
        return [bytes(value).decode() for value in submessages(message, number)]
    except UnicodeDecodeError:
        raise WeightsError("is damaged: a name that isn't text") from None


def integers(message: memoryview, number: int) -> list[int]:
    """The integers of one field number, packed or not; 64-bit two's complement."""
    found: list[int] = []
    for field, value in fields(message):
        if field == number and isinstance(value, int):
            found.append(value)
        elif field == number and isinstance(value, memoryview):
            found.extend(_packed(value))
    return [value - 2**64 if value >= 2**63 else value for value in found]


def _packed(data: memoryview) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """The number at ``position``, and the position after it."""
    value = 0
    for index, byte in enumerate(data[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise WeightsError("is damaged or cut off: a number without an end")
