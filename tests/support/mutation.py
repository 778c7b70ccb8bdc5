"""Requests made wrong: at their bytes, and at their fields, which gets further into whoever reads them.

Everything is drawn from one source of randomness, so that it is the same for the same seed, and Hypothesis can be it.
"""

from collections.abc import Callable, Sequence
from random import Random

from support.protobuf_fields import BYTES, FIXED32, FIXED64, VARINT, Field, encode, parse, text, varint
from xds import TYPES

TYPE_URLS = [kind.url for kind in TYPES] + ["", "type.googleapis.com/envoy.config.listener.v3.Listener", "x" * 5000]
NAMES = [b"s00", b"s01", b"*", b"", b"unknown", b"\xff\xfe", "ü\0".encode(), b"s" * 1024, b"s" * 1025]
NONCES = [b"1.0.0", b"1.1.0", b"2.1.0", b"2.0.1", b"-1", b"9" * 100]
_HUGE = [1 << 31, (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1, 1 << 69]
_SMALL = 4096

_Change = Callable[[Random, list[Field]], list[Field]]


def mutated(random: Random, message: bytes) -> bytes:
    """A message with one to four things changed."""
    for _ in range(random.randint(1, 4)):
        message = random.choice(_ON_BYTES)(random, message) if random.random() < 0.3 else _on_fields(random, message)
    return message


def with_text(message: bytes, number: int, value: str) -> bytes:
    """A message with a field of text set; one that cannot be read stays as it is."""
    fields = parse(message)
    if fields is None:
        return message
    return encode([*(field for field in fields if field.number != number), text(number, value)])


def shortened(message: bytes) -> bytes:
    """A message without the parts of its nested messages that are long lists, such as the extensions of a node."""
    fields = parse(message)
    if fields is None or len(message) < _SMALL:
        return message
    return encode(_without_lists(field) for field in fields)


def _without_lists(field: Field) -> Field:
    nested = parse(field.content) if len(field.content) > _SMALL else None
    if not nested:
        return field
    kept = [each for index, each in enumerate(nested) if index < 20]
    return Field(field.number, field.wire, encode(kept))


def _flip(random: Random, message: bytes) -> bytes:
    if not message:
        return bytes([random.randrange(256)])
    changed = bytearray(message)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _truncate(random: Random, message: bytes) -> bytes:
    return message[: random.randrange(len(message) + 1)]


def _insert(random: Random, message: bytes) -> bytes:
    position = random.randrange(len(message) + 1)
    return message[:position] + random.randbytes(random.randint(1, 8)) + message[position:]


def _cut(random: Random, message: bytes) -> bytes:
    first, last = sorted(random.randrange(len(message) + 1) for _ in range(2))
    return message[:first] + message[last:]


def _overrun(random: Random, message: bytes) -> bytes:
    """A field that says that it is longer than the message, or than any message."""
    return message + varint(random.randint(1, 9) << 3 | BYTES) + varint(random.choice(_HUGE)) + b"abc"


def _wrong_tag(random: Random, message: bytes) -> bytes:
    """Field number 0, wire types that there are not, numbers beyond what a tag may be."""
    tag = random.choice([0, 2, 3, 4, 6, 7, 26 | 1 << 34, *_HUGE])
    return varint(tag) + b"\0" + message if random.random() < 0.5 else message + varint(tag)


_ON_BYTES = [_flip, _truncate, _insert, _cut, _overrun, _wrong_tag]


def _on_fields(random: Random, message: bytes) -> bytes:
    fields = parse(message)
    if fields is None:
        return _flip(random, message)
    return encode(random.choice(_ON_FIELDS)(random, fields), padding=random.choice([0, 0, 0, 0, 0, 1, 4, 8, 20]))


def _duplicate(random: Random, fields: list[Field]) -> list[Field]:
    return fields + random.choices(fields, k=random.randint(1, 5)) if fields else fields


def _drop(random: Random, fields: list[Field]) -> list[Field]:
    return [field for field in fields if random.random() < 0.7]


def _reorder(random: Random, fields: list[Field]) -> list[Field]:
    return random.sample(fields, len(fields))


def _nest(random: Random, fields: list[Field]) -> list[Field]:
    inner = encode(fields)
    for _ in range(random.choice([1, 2, 100])):
        inner = encode([text(random.randint(1, 9), inner)])
    return [*fields, text(random.randint(1, 9), inner)]


def _renumber(random: Random, fields: list[Field]) -> list[Field]:
    number = random.choice([*range(1, 10), 15, 16, 2**29 - 1, 2**29])
    return _changed(random, fields, lambda field: Field(number, field.wire, field.value))


def _rewire(random: Random, fields: list[Field]) -> list[Field]:
    values: list[tuple[int | bytes, int]] = [
        (random.choice([0, 1, *_HUGE]), VARINT), (b"12345678", FIXED64), (b"1234", FIXED32), (b"", BYTES),
    ]  # fmt: skip
    value, wire = random.choice(values)
    return _changed(random, fields, lambda field: Field(field.number, wire, value))


def _spoil(random: Random, fields: list[Field]) -> list[Field]:
    """Text that is none, and lengths at the border."""
    value = random.choice(NAMES)
    return _changed(random, fields, lambda field: Field(field.number, BYTES, value))


def _deepen(random: Random, fields: list[Field]) -> list[Field]:
    """A change within a nested message."""

    def change(field: Field) -> Field:
        return Field(field.number, field.wire, _on_fields(random, field.content)) if field.content else field

    return _changed(random, fields, change)


def _changed(random: Random, fields: list[Field], change: Callable[[Field], Field]) -> list[Field]:
    if not fields:
        return fields
    position = random.randrange(len(fields))
    return [*fields[:position], change(fields[position]), *fields[position + 1 :]]


def _name_more(random: Random, fields: list[Field]) -> list[Field]:
    number = random.choice([3, 3, 4])
    return [*fields, *(text(number, random.choice(NAMES[:4])) for _ in range(random.randint(1, 4)))]


def _name_thousands(random: Random, fields: list[Field]) -> list[Field]:
    number, different = random.choice([3, 3, 4, 5]), random.choice([1, 2000])
    return [*fields, *(text(number, f"n{index % different}") for index in range(2000))]


def _claim(random: Random, fields: list[Field]) -> list[Field]:
    """`initial_resource_versions`, where the message has them."""
    return [*fields, *(text(5, encode([text(1, name), text(2, "v")])) for name in random.choices(NAMES[:5], k=3))]


def _swap_type(random: Random, fields: list[Field]) -> list[Field]:
    return [*fields, text(random.choice([2, 4]), random.choice(TYPE_URLS))]


def _answer(random: Random, fields: list[Field]) -> list[Field]:
    """The nonce of another response, perhaps of another type."""
    return [*fields, text(random.choice([5, 6]), random.choice(NONCES))]


def _reject(random: Random, fields: list[Field]) -> list[Field]:
    status = random.choice(
        [b"", b"\x12\x03bad", b"\x12\x01\xff", b"\x08\x0d\x12\x01x" * 50, b"\x12" + varint(9) + b"x"]
    )
    return [*fields, text(random.choice([6, 7]), status)]


_ON_FIELDS: Sequence[_Change] = [
    _duplicate, _drop, _reorder, _nest, _renumber, _rewire, _spoil, _deepen, _name_more, _name_more,
    _name_thousands, _claim, _swap_type, _answer, _reject, _reject,
]  # fmt: skip
