"""Framing of protobuf fields, for messages that are put together from parts encoded earlier.

Concatenating encoded fields is protobuf's own way to merge messages, so a part is encoded once and joined many times.
https://protobuf.dev/programming-guides/encoding/
"""

_VARINT, _LENGTH_DELIMITED = 0, 2


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
