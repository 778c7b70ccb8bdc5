"""How far clients are: what each of them has of each type, put together from its streams."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from math import inf

from xds.node import Node


class Progress(IntEnum):
    """What a client has of what it asked for; of several, the greatest is what an operator should see."""

    SYNCED = 1
    """All there is, and it accepted it."""
    NOT_SENT = 2
    """Nothing so far."""
    BEHIND = 3
    """Something newer is on its way, not answered yet, or still to be sent."""
    REJECTED = 4
    """It rejected something that is still to be had, and works with what it accepted before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a client is with one type."""

    type_url: str
    progress: Progress
    version: str
    """Of what it accepted last; empty if it never did."""
    version_rejected: str = ""
    rejection: str = ""
    """Its message."""
    since: float | None
    """Seconds since it was last sent something; None if it never was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How far one stream is with one resource that its client asked for."""

    type_url: str
    progress: Progress
    rejection: str = ""
    """The client's message, where it rejected the resource as it is served now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """The client of one stream, and how far it is with the resources of one name."""

    node: Node | None
    peer: str
    view: str
    """Name of what it may see."""
    receipts: tuple[Receipt, ...]
    """One for each type in which it asked for the name."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is at the other end of one or more streams, and how far."""

    node: Node
    peer: str
    """Network address of the client, as gRPC writes it."""
    standings: tuple[Standing, ...]


def merged(presences: Iterable[Presence]) -> list[Presence]:
    """One presence for each client, sorted by its node's id and its address.

    A client that asks by several streams, one for each type or even for each cluster, has them on one connection; two
    that share an id have two. So the address tells them apart.
    """
    clients: dict[tuple[str, str], list[Presence]] = {}
    for presence in presences:
        clients.setdefault((presence.node.id, presence.peer), []).append(presence)
    return [_together(clients[key]) for key in sorted(clients)]


def _together(streams: list[Presence]) -> Presence:
    by_type: dict[str, list[Standing]] = {}
    for stream in streams:
        for standing in stream.standings:
            by_type.setdefault(standing.type_url, []).append(standing)
    return replace(streams[0], standings=tuple(_combined(by_type[url]) for url in sorted(by_type)))


def _combined(standings: list[Standing]) -> Standing:
    """The worst news, with the version that was accepted last."""
    worst = max(standings, key=lambda each: each.progress)
    latest = min(standings, key=lambda each: (not each.version, _age(each)))
    return replace(worst, version=latest.version, since=min(standings, key=_age).since)


def _age(standing: Standing) -> float:
    return inf if standing.since is None else standing.since
