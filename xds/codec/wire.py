"""Protobuf's wire format: fields read from bytes and framed into bytes, whatever the message.

https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterator

from xds.message import ExcessiveRequest, InvalidRequest

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10
_MAX_FIELDS = 10_000
"""Fields that are read of a message within a request; an Envoy's node has 520. Passing over millions takes seconds."""
_MAX_PAIR = 8
"""Fields that are read of a message that is known by its first two."""


def tag(number: int) -> int:
    """The tag of a field that holds bytes, text or a message."""
    return number << 3 | BYTES


def field(data: bytes, position: int) -> tuple[int, int, int]:
    """Tag of the field at `position`, and where its value starts and ends; of a varint, the value has no bytes.

    Raises:
        InvalidRequest: there is no field.
    """
    # Nearly all of them, a thousand names in a request: bytes, fewer than 128 of them, in a field up to number 15.
    if position + 1 < len(data) and data[position] & 0x87 == BYTES < data[position] and data[position + 1] < 0x80:
        start = position + 2
        end = start + data[position + 1]
        if end <= len(data):
            return data[position], start, end
    found, start = varint(data, position)
    wire = found & 7
    if found >> 3 == 0:
        raise InvalidRequest("the request is not a valid protobuf message: field number 0")
    if wire == BYTES:
        length, start = varint(data, start)
        end = start + length
    elif wire == VARINT:
        end = start = varint(data, start)[1]
    elif wire in _FIXED_SIZES:
        end = start + _FIXED_SIZES[wire]
    else:
        raise InvalidRequest(f"the request is not a valid protobuf message: wire type {wire}")
    if end > len(data):
        raise InvalidRequest("the request is not a valid protobuf message: it ends within a field")
    return found, start, end


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of each field of a message.

    Raises:
        ExcessiveRequest: it has far more fields than any message that is sent in good faith.
        InvalidRequest: it is no message.
    """
    position = count = 0
    while position < len(data):
        found, start, position = field(data, position)
        yield found, data[start:position]
        count = _counted(count, _MAX_FIELDS)


def varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at `position` and the position after it.

    Raises:
        InvalidRequest: there is no number.
    """
    if position < len(data) and data[position] < 0x80:  # nearly all of them
        return data[position], position + 1
    value = shift = 0
    for byte in data[position : position + _LONGEST_VARINT]:
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise InvalidRequest(
        "the request is not a valid protobuf message: it ends within a number, or the number is too long"
    )


def text(value: bytes) -> str:
    """The text that a field holds.

    Raises:
        InvalidRequest: it is not UTF-8.
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("the request holds text that is not UTF-8") from None


def first_two(data: bytes) -> tuple[bytes, bytes]:
    """Values of the fields 1 and 2 of a message: of an entry of a map, its key and its value.

    Raises:
        ExcessiveRequest: it has more fields than such a message.
        InvalidRequest: it is no message.
    """
    found: dict[int, bytes] = {}
    position = count = 0
    while position < len(data) and len(found) < 2:
        count = _counted(count, _MAX_PAIR)
        number, start, end = field(data, position)
        if number in (_FIRST, _SECOND):
            found[number] = data[start:end]
        position = end
    return found.get(_FIRST, b""), found.get(_SECOND, b"")


_FIRST, _SECOND = map(tag, (1, 2))


def _counted(fields_read: int, most: int) -> int:
    """One field more."""
    if fields_read >= most:
        raise ExcessiveRequest(f"a message in the request has more than {most} fields")
    return fields_read + 1


def framed(number: int, *chunks: bytes) -> list[bytes]:
    """A field that holds a message made of `chunks`, themselves left alone: bodies are long and shared."""
    return [bytes((tag(number),)), number_bytes(sum(map(len, chunks))), *chunks]


def string(number: int, value: str) -> bytes:
    """A field that holds text; none at all where that is empty."""
    return bytes_field(number, value.encode())


def bytes_field(number: int, value: bytes) -> bytes:
    """A field that holds bytes; none at all where there are none."""
    return bytes((tag(number),)) + number_bytes(len(value)) + value if value else b""


def listed_text(number: int, value: str) -> bytes:
    """An element of a repeated field, which unlike a field of its own is written even when empty."""
    return b"".join(framed(number, value.encode()))


def number_bytes(value: int) -> bytes:
    """A number as a varint."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
