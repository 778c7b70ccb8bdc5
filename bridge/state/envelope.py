"""What is around the content of a state file: the schema's version, and a digest that shows every damage.

    {"format":"xds-bridge-state","version":1,"digest":"…","content":{…}}

This form stays the same for ever, so that a bridge can tell a file of a newer one, whose content it cannot read, from
a damaged file.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

_DIGEST_SIZE = 32
_HEAD = re.compile(rb'\{"format":"xds-bridge-state","version":(0|[1-9][0-9]{0,8}),"digest":"([0-9a-f]{64})","content":')
_FOOT = b"}\n"


class DamagedError(ValueError):
    """A file is not as it was written; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file as it is to be written."""

    digest: str
    """Of the version and the content: the same for the same content."""
    parts: Sequence[bytes]


def seal(version: int, content: Iterable[bytes]) -> Sealed:
    """Put the version and the digest around a content, which comes in parts."""
    parts = [*content]
    digest = _digest(version, parts)
    head = f'{{"format":"xds-bridge-state","version":{version},"digest":"{digest}","content":'
    return Sealed(digest, (head.encode(), *parts, _FOOT))


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is as it was written."""

    version: int
    digest: str
    content: bytes


def unseal(data: bytes) -> Opened:
    """Take the content out of a file.

    Raises:
        DamagedError: it is not as it was written.
    """
    head = _HEAD.match(data)
    if not head:
        raise DamagedError("it does not begin as a state file does")
    if not data.endswith(_FOOT):
        raise DamagedError("its end is missing")
    version, digest = int(head[1]), head[2].decode()
    content = data[head.end() : -len(_FOOT)]
    if _digest(version, [content]) != digest:
        raise DamagedError("its digest is wrong")
    return Opened(version, digest, content)


def _digest(version: int, parts: Iterable[bytes]) -> str:
    digest = blake2b(f"{version}:".encode(), digest_size=_DIGEST_SIZE)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
