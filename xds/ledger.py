"""The names that clients have us keep, counted by client and in all: those of resources cost nothing, others memory."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from xds.limit import Limits
from xds.message import ExcessiveRequest

_FEW = 64
"""Names that are looked at again rather than to remember that all of them exist."""


@dataclass(slots=True)
class _Entry:
    """A set of names in use, which streams may share."""

    names: Collection[str]
    unknown: int
    """How many of them were no resource's when it was first held."""
    holders: Counter[str] = field(default_factory=Counter)
    """How often each client holds it."""


class Ledger:
    """Keeps the number of unknown names within limits.

    A set that is one object on many streams counts once for each client and once in all. What exists is not counted: a
    fleet asks for what it was told of, in whatever choice.

    Args:
        limits: how many there may be.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: dict[int, _Entry] = {}
        """By identity, which stays that of one set for as long as it is here."""
        self._held: dict[int, list[int]] = {}
        """Keys of entries, by stream."""
        self._by_client = Counter[str]()
        self._total = 0

    @property
    def names(self) -> int:
        """Unknown names that are held."""
        return self._total

    def hold(self, stream: int, client: str, sets: Iterable[tuple[Collection[str], frozenset[str]]]) -> None:
        """Note all that a stream holds, in place of what it held before.

        Args:
            stream: a number that no other stream has.
            client: whoever counts as one and the same; always the same one of a stream.
            sets: names, each with those that exist of their type. They must not change.

        Raises:
            ExcessiveRequest: there are more now than before, and too many; they count until they are released.
        """
        before = self._by_client[client]
        kept = [key for names, existing in sets if (key := self._add(client, names, existing)) is not None]
        self.release(stream, client)
        if kept:
            self._held[stream] = kept
        if self._by_client[client] > before:
            self._check(client)

    def release(self, stream: int, client: str) -> None:
        """A stream holds nothing any more."""
        for key in self._held.pop(stream, ()):
            self._remove(client, key)

    def _add(self, client: str, names: Collection[str], existing: frozenset[str]) -> int | None:
        entry = self._entries.get(id(names))
        if entry is None:
            unknown = _unknown(names, existing)
            if not unknown and len(names) <= _FEW:
                return None
            entry = self._entries[id(names)] = _Entry(names, unknown)
            self._total += unknown
        if not entry.holders[client]:
            self._by_client[client] += entry.unknown
        entry.holders[client] += 1
        return id(names)

    def _remove(self, client: str, key: int) -> None:
        entry = self._entries[key]
        entry.holders[client] -= 1
        if not entry.holders[client]:
            del entry.holders[client]
            self._by_client[client] -= entry.unknown
            if not self._by_client[client]:
                del self._by_client[client]
        if not entry.holders:
            del self._entries[key]
            self._total -= entry.unknown

    def _check(self, client: str) -> None:
        limits = self._limits
        if self._by_client[client] > limits.names_per_client:
            raise ExcessiveRequest(
                f"the streams of {client} ask for more than {limits.names_per_client} names of which there is no"
                " resource (limits.names_per_client)"
            )
        if self._total > limits.names:
            raise ExcessiveRequest(
                f"all clients together ask for more than {limits.names} names of which there is no resource"
                " (limits.names)"
            )


def _unknown(names: Collection[str], existing: frozenset[str]) -> int:
    if not existing or not names:
        return len(names)
    return len(names) - sum(map(existing.__contains__, names))
