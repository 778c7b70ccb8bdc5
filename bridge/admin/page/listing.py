"""What a person asks a list for — words, filters, a page — and what that leaves of it: pure functions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from bridge.admin.client import Client, Progress
from bridge.admin.digest import HEALTHS, Digest
from bridge.admin.query import choice, given
from bridge.merge import ServedEndpoint, Service
from bridge.model import ServiceName, SourceName

PAGE = 50
"""Rows on one page."""

NONE_HEALTHY = "none"
"""The choice of services without a healthy endpoint."""

STATES = ("held", "set_aside", "drained", "restored", "shared", "empty")
"""What can be odd about a service."""

ROW = TypeVar("ROW")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for; an empty text asks for all."""

    given: Mapping[str, str]
    page: int = 1

    def __getitem__(self, name: str) -> str:
        return self.given.get(name, "")

    def link(self, page: int) -> str:
        """The query of another page of the same list."""
        pairs = {name: value for name, value in self.given.items() if value}
        return "?" + urlencode({**pairs, "page": page})


@dataclass(frozen=True, slots=True)
class Listing(Generic[ROW]):
    """One page of what was found."""

    rows: Sequence[ROW]
    found: int
    """How many there are on all pages."""
    of: int
    """How many there are without a filter."""
    page: int
    pages: int


def parse(parameters: Sequence[tuple[str, str]], allowed: Mapping[str, Collection[str] | None]) -> Question:
    """What a query says.

    Args:
        parameters: names and values, as they came.
        allowed: by name of a parameter the values that it can have; None for any text.

    Raises:
        ValueError: something is not understood; the message names it, and what there is instead.
    """
    found = dict(given(parameters, [*allowed, "page"]))
    filled = {name: value for name, value in found.items() if value}
    for name, values in allowed.items():
        if values is not None:
            choice(filled, name, values)
    page = found.pop("page", "") or "1"
    if not (page.isascii() and page.isdecimal() and int(page[:9]) > 0 and len(page) < 9):
        raise ValueError(f"page: {page[:60]!r} is not a number from 1 on")
    return Question(found, int(page))


def paged(rows: Sequence[ROW], of: int, question: Question) -> Listing[ROW]:
    """The page that is asked for; the last one for a number beyond it."""
    pages = max(1, -(-len(rows) // PAGE))
    page = min(question.page, pages)
    return Listing(rows[(page - 1) * PAGE : page * PAGE], len(rows), of, page, pages)


def service_choices(digests: Iterable[Digest], sources: Iterable[str]) -> dict[str, Collection[str] | None]:
    """What a list of services can be asked for."""
    zones = sorted(frozenset().union(*(digest.zones for digest in digests)))
    return {
        "q": None,
        "source": list(sources),
        "zone": zones,
        "health": [*HEALTHS, NONE_HEALTHY],
        "state": STATES,
    }


def services(
    digests: Iterable[Digest],
    known: Mapping[ServiceName, Service],
    set_aside: Mapping[ServiceName, Mapping[SourceName, int]],
    question: Question,
) -> list[Digest]:
    """The services that are asked for."""
    word = question["q"].strip().casefold()
    return [
        digest
        for digest in digests
        if _fits(digest, set_aside.get(digest.name, {}), question) and (not word or _named(digest, known, word))
    ]


def _fits(digest: Digest, set_aside: Mapping[SourceName, int], question: Question) -> bool:
    health, state = question["health"], question["state"]
    if question["source"] and question["source"] not in digest.sources | set_aside.keys():
        return False
    if question["zone"] and question["zone"] not in digest.zones:
        return False
    if health == NONE_HEALTHY:
        return not digest.tally.healthy
    if health and not digest.tally.of(health):
        return False
    return not state or _is(digest, state, set_aside)


def _is(digest: Digest, state: str, set_aside: Mapping[SourceName, int]) -> bool:
    return {
        "held": digest.held > 0,
        "set_aside": bool(set_aside),
        "drained": digest.drained > 0,
        "restored": digest.restored > 0,
        "shared": digest.shared > 0,
        "empty": not digest.tally.total,
    }[state]


def _named(digest: Digest, known: Mapping[ServiceName, Service], word: str) -> bool:
    """By its name, or by an address of it."""
    if word in digest.name.casefold():
        return True
    looks_like_address = word[0].isdigit() or ":" in word or word[0] == "["
    return looks_like_address and any(
        str(served.endpoint.key).startswith(word) for served in known[digest.name].endpoints
    )


def endpoints(served: Sequence[ServedEndpoint], question: Question) -> Sequence[ServedEndpoint]:
    """The endpoints of a service that are asked for: by health, and by a part of an address or an instance."""
    word, health = question["q"].strip(), question["health"]
    return [
        each
        for each in served
        if (not health or each.endpoint.health.value == health)
        and (not word or word in str(each.endpoint.key) or any(word in origin.instance for origin in each.origins))
    ]


def client_choices(everybody: Iterable[Client]) -> dict[str, Collection[str] | None]:
    """What the list of Envoys can be asked for."""
    return {
        "q": None,
        "cluster": sorted({each.cluster for each in everybody if each.cluster}),
        "state": [progress.name.lower() for progress in Progress],
    }


def clients(everybody: Iterable[Client], question: Question) -> list[Client]:
    """The Envoys that are asked for."""
    word, cluster, state = question["q"].strip().casefold(), question["cluster"], question["state"]
    return [
        each
        for each in everybody
        if (not word or any(word in text.casefold() for text in (each.name, each.cluster, each.peer)))
        and (not cluster or cluster == each.cluster)
        and (not state or state == each.progress.name.lower())
    ]
