"""Framing of protobuf fields, for messages that are put together from parts encoded earlier, and taken apart again.

Concatenating encoded fields is protobuf's own way to merge messages, so a part is encoded once and joined many times.
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


def varint(value: int) -> bytes:
    """A non-negative integer, seven bits to a byte, the lowest first."""
    if value < 0x80:
        return bytes((value,))
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def number(field: int, value: int) -> bytes:
    """An integer, bool or enum field; the default 0 included."""
    return varint(field << 3 | _VARINT) + varint(value)


def embedded(field: int, content: bytes) -> bytes:
    """A string, bytes or message field, from its encoded content."""
    size = len(content)
    if size < 0x80 and field < 0x10:  # nearly always: tag and length are a byte each
        return bytes((field << 3 | _LENGTH_DELIMITED, size)) + content
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(size) + content


def text(field: int, content: str) -> bytes:
    """A string field, or nothing for the default, the empty string.

    Raises:
        UnicodeEncodeError: the text holds a lone surrogate and has no UTF-8 form.
    """
    return embedded(field, content.encode()) if content else b""


def parsed(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message that we encoded: a whole number for a varint, else its bytes."""
    position = 0
    while position < len(data):
        tag, position = number_at(data, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = number_at(data, position)
            yield tag >> 3, value
            continue
        if kind == _LENGTH_DELIMITED:
            size, position = number_at(data, position)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}[kind]
        yield tag >> 3, data[position : position + size]
        position += size


def number_at(data: bytes, position: int) -> tuple[int, int]:
    """The varint at a position, and the position after it."""
    value = data[position]
    if value < 0x80:  # nearly always
        return value, position + 1
    value, shift = value & 0x7F, 7
    while True:
        position += 1
        value |= (data[position] & 0x7F) << shift
        if data[position] < 0x80:
            return value, position + 1
        shift += 7
