"""Messages as lists of fields, for tests that take them apart: written without a look at the codec that it tests.

https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterable
from dataclasses import dataclass

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SIZES = {FIXED64: 8, FIXED32: 4}


@dataclass(frozen=True, slots=True)
class Field:
    """One field; the value of a fixed one is its bytes, of a varint the number."""

    number: int
    wire: int
    value: int | bytes

    @property
    def content(self) -> bytes:
        """The value of a field that has bytes; of a number there are none."""
        return self.value if isinstance(self.value, bytes) else b""


def text(number: int, value: str | bytes) -> Field:
    """A field that holds text, a message, or any bytes."""
    return Field(number, BYTES, value.encode() if isinstance(value, str) else value)


def varint(value: int, *, padding: int = 0) -> bytes:
    """A number, made longer than it needs to be by `padding` bytes."""
    encoded = bytearray()
    while value > 0x7F or padding > 0:
        if value <= 0x7F:
            padding -= 1
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode(fields: Iterable[Field], *, padding: int = 0) -> bytes:
    """The message; with `padding`, each number in it is that much longer than it needs to be."""
    chunks = []
    for field in fields:
        chunks.append(varint(field.number << 3 | field.wire, padding=padding))
        if isinstance(field.value, int):
            chunks.append(varint(field.value, padding=padding))
            continue
        if field.wire == BYTES:
            chunks.append(varint(len(field.value), padding=padding))
        chunks.append(field.value)
    return b"".join(chunks)


def parse(message: bytes) -> list[Field] | None:
    """The fields of a message; None if it is none that this reader knows."""
    fields = []
    position = 0
    try:
        while position < len(message):
            field, position = _field(message, position)
            fields.append(field)
    except (IndexError, KeyError):
        return None
    return fields if position == len(message) else None


def _field(message: bytes, position: int) -> tuple[Field, int]:
    tag, position = _number(message, position)
    number, wire = tag >> 3, tag & 7
    if wire == VARINT:
        value, position = _number(message, position)
        return Field(number, wire, value), position
    if wire == BYTES:
        size, position = _number(message, position)
    else:
        size = _SIZES[wire]
    return Field(number, wire, message[position : position + size]), position + size


def _number(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
