"""What an adapter can tell of one thing in its source: how it stands there, and what the adapter made of it.

Part of the plugin interface. It is told when somebody asks and kept nowhere, so nothing here can cause a push.
"""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from bridge.model import EndpointKey, Entry, InstanceId, Scope, SetAside
from bridge.redaction import REDACTED, names_secret, redacted

MAX_RAW = 2048
"""Bytes of raw labels that are told of one thing, at most."""

LISTED = 20
"""Things of one source with the same verdict that are told of one by one; all others are counted."""

_VALUE = 200
_NEAR = 3
_COMPARED = 500


class Verdict(StrEnum):
    """What an adapter made of a thing; in the order in which a person wants to see them."""

    SET_ASIDE = "set_aside"
    """It was meant to be served, and cannot be."""
    LEFT_OUT = "left_out"
    """By the configuration, or by its own state, it is none to be served."""
    REPORTED = "reported"
    """It went to the bridge as an endpoint."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about: a service by its name, or an address and port; the other one is empty."""

    service: str = ""
    key: EndpointKey | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing as a source has it."""

    scope: Scope
    instance: InstanceId
    services: tuple[str, ...]
    """The names that it goes by, or would."""
    reported: str
    """Address and port as the source gives them; may be anything."""
    verdict: Verdict
    reason: str = ""
    """Why it is not served, in words that say what to change; empty when it is reported."""
    raw: tuple[tuple[str, str], ...] = ()
    """Labels, tags and the like as the source has them; see `bounded`."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a source has of what is asked about."""

    looked: str
    """What was looked through, in words, such as `412 tasks of 3 clusters`."""
    sightings: tuple[Sighting, ...] = ()
    more: int = 0
    """How many others there are."""
    nearest: tuple[str, ...] = ()
    """Names, or addresses with ports, that may have been meant."""


class Search:
    """Gathers what a question is about while an adapter goes through what it knows."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._found: list[Sighting] = []
        self._counts: Counter[Verdict] = Counter()
        self._near: dict[str, None] = {}

    def wants(self, names: Iterable[str], addresses: Collection[str], port: int | None = None) -> bool:
        """Whether a thing is what is asked about; cheap, so that it can be asked of everything.

        Args:
            names: of services that it serves or would serve, and what else people call it by.
            addresses: all that it has.
            port: None where it has none, or any.
        """
        key, service = self.question.key, self.question.service
        if key is None:
            names = tuple(names)
            self._near.update(dict.fromkeys(names))
            return service in names
        if key.address not in addresses:
            return False
        if port in (None, key.port):
            return True
        self._near[str(EndpointKey(key.address, port or 0))] = None
        return False

    def add(self, sighting: Sighting) -> None:
        """Tell of a thing that is asked about."""
        self._counts[sighting.verdict] += 1
        if self._counts[sighting.verdict] <= LISTED:
            self._found.append(sighting)

    def statement(self, looked: str) -> Statement:
        """All that was found.

        Args:
            looked: what was looked through, in words.
        """
        order = list(Verdict)
        found = sorted(self._found, key=lambda each: (order.index(each.verdict), each.scope, each.instance))
        near = close(self.question.service, self._near) if self.question.key is None else tuple(self._near)[:_NEAR]
        return Statement(looked, tuple(found), self._counts.total() - len(found), near)


def seen(entry: Entry, scope: Scope, service: str, raw: tuple[tuple[str, str], ...]) -> Sighting:
    """What was handed to the bridge as an entry of a service."""
    if isinstance(entry, SetAside):
        return Sighting(scope, entry.instance, (service,), entry.reported, Verdict.SET_ASIDE, entry.reason, raw)
    return Sighting(scope, entry.instance, (service,), str(entry.key), Verdict.REPORTED, "", raw)


def bounded(raw: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """As much of some labels as is told: values cut at 200 characters, and no more than 2 KiB; the rest is counted.

    What is a secret by its name, and passwords in URLs, are left out.
    """
    pairs = sorted(raw)
    kept: list[tuple[str, str]] = []
    room = MAX_RAW
    for key, value in pairs:
        pair = _cut(key), REDACTED if names_secret(key) else _cut(redacted(value))
        room -= len(pair[0].encode("utf-8", "replace")) + len(pair[1].encode("utf-8", "replace"))
        if room < 0:
            return (*kept, ("…", f"and {len(pairs) - len(kept)} more"))
        kept.append(pair)
    return tuple(kept)


def close(word: str, names: Iterable[str]) -> tuple[str, ...]:
    """The few names that are most like a word, of those of about its length."""
    alike = sorted((name for name in names if name != word), key=lambda name: abs(len(name) - len(word)))
    return tuple(difflib.get_close_matches(word[:_VALUE], alike[:_COMPARED], n=_NEAR))


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}…"
