"""The names that certificates may carry to be let in."""

import ipaddress
from collections.abc import Iterable


class AllowedNames:
    """A list of subject alternative names: DNS names, URIs and IP addresses.

    An entry is a whole name, compared as it is written; IP addresses are the same however they are written. An entry
    that ends with `*` stands for every name that begins with what is before it.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        entries = tuple(entries)
        self._prefixes = tuple(entry[:-1] for entry in entries if entry.endswith("*"))
        self._names = frozenset(_canonical(entry) for entry in entries if not entry.endswith("*"))

    def admit(self, names: Iterable[str]) -> bool:
        """Whether one of the names is on the list."""
        return any(name.startswith(self._prefixes) or _canonical(name) in self._names for name in names)


def _canonical(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
