"""The names in certificates: which of them count, and which of them an entry or a glob of the configuration is for.

A name is a text, and its text says of what kind it is. An authority may be allowed to vouch for one kind alone, so what
one kind says in the spelling of another is no name at all, and nothing that is written for one kind matches another.
"""

import ipaddress
from collections.abc import Iterable
from enum import Enum
from fnmatch import fnmatchcase

_WILDCARDS = frozenset("*?[]")
_ADDRESS = frozenset("0123456789abcdefABCDEF:.")
_DOTTED = frozenset("0123456789.")


class _Kind(Enum):
    """https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6 ."""

    DNS = "DNS name"
    URI = "URI"
    ADDRESS = "IP address"


def certificate_names(dns: Iterable[str], uris: Iterable[str], addresses: Iterable[str]) -> tuple[str, ...]:
    """The subject alternative names of a verified certificate that count, by their kind in it.

    Left out are URIs without `://`, and DNS names that are an address or have a `:` or a `/`: they could be taken for
    another kind. Addresses are spelled in one way, whoever has read the certificate.
    """
    return (
        *(name for name in dns if _kind(name) is _Kind.DNS),
        *(name for name in uris if _kind(name) is _Kind.URI),
        *(address for name in addresses if (address := _address(name))),
    )


def possible_pattern(pattern: str) -> str:
    """An entry of `AllowedNames` or a glob for names, as it is.

    Raises:
        ValueError: no name could ever match it; the message is for the operator.
    """
    kind = _pattern_kind(pattern)
    outside = set(pattern) - _WILDCARDS - set("!-") - _ADDRESS if kind is _Kind.ADDRESS else set()
    if outside or (kind is _Kind.DNS and "/" in pattern):
        raise ValueError(f"{pattern!r} is no DNS name and no IP address; a URI is written with its scheme and '://'")
    return pattern


def any_matches(glob: str, names: Iterable[str]) -> bool:
    """Whether a glob matches a name of the kind that it is for; one of nothing but wildcards is for every kind."""
    kind, glob = _pattern_kind(glob), _spelled(glob)
    return any(fnmatchcase(name, glob) for name in names if kind in (None, _kind(name)))


class AllowedNames:
    """A list of subject alternative names: DNS names, URIs and IP addresses.

    An entry is a whole name, compared as it is written; IP addresses are the same however they are written. An entry
    that ends with `*` stands for every name of its kind that begins with what is before it.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        entries = tuple(entries)
        self._prefixes = tuple((_pattern_kind(entry), _spelled(entry)[:-1]) for entry in entries if entry.endswith("*"))
        self._names = frozenset(_spelled(entry) for entry in entries if not entry.endswith("*"))

    def admit(self, names: Iterable[str]) -> bool:
        """Whether one of the names, which are as `certificate_names` tells them, is on the list."""
        return any(name in self._names or self._begins(name) for name in names)

    def _begins(self, name: str) -> bool:
        return any(name.startswith(prefix) for kind, prefix in self._prefixes if kind in (None, _kind(name)))


def _kind(name: str) -> _Kind | None:
    """Of what kind a name is; None for what is none."""
    if "://" in name:
        return _Kind.URI
    if _address(name):
        return _Kind.ADDRESS
    return None if ":" in name or "/" in name else _Kind.DNS


def _pattern_kind(pattern: str) -> _Kind | None:
    """Of what kind the names are that a pattern is for; None for those of every kind."""
    literal = set(pattern) - _WILDCARDS
    if not literal:
        return None
    if "://" in pattern:
        return _Kind.URI
    return _Kind.ADDRESS if ":" in literal or literal - set("!-") <= _DOTTED else _Kind.DNS


def _spelled(pattern: str) -> str:
    """A pattern as the names that it is for are spelled."""
    return (_address(pattern) or pattern.lower()) if _pattern_kind(pattern) is _Kind.ADDRESS else pattern


def _address(name: str) -> str | None:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return None
