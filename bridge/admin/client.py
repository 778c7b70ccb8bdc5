"""The Envoys that are connected, each with what it has of each type: for people, not for the protocol."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from bridge.chronicle import TYPES
from bridge.wording import gist, span
from xds import CLUSTER, ENDPOINT, StreamStatus, TypeState, TypeStatus

PATIENCE = 60.0
"""Seconds that an Envoy may take to answer, or wait, before a person should look."""


MEND_CLUSTER = "mend the cluster's template (`services[].cluster`, `cluster_defaults`)"
MEND_ENDPOINTS = "mend the endpoints in their source"


class Progress(StrEnum):
    """How far an Envoy is with a type; of several the last one here is what counts."""

    SYNCED = "in sync"
    UNSENT = "nothing to send"
    WAITING = "to be sent"
    BEHIND = "not answered"
    REFUSED = "refused"


_WORST_FIRST = tuple(reversed(Progress))

_PROGRESS = MappingProxyType(
    {
        TypeState.SYNCED: Progress.SYNCED,
        TypeState.NOT_SENT: Progress.UNSENT,
        TypeState.WAITING: Progress.WAITING,
        TypeState.STALE: Progress.BEHIND,
        TypeState.ERROR: Progress.REFUSED,
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """One type on one stream."""

    type: str
    progress: Progress
    asked: str
    version: str
    """That it accepted last."""
    sent: float | None
    """Seconds since it was last sent something."""
    acked: float | None
    """Seconds since it last accepted something."""
    unanswered: float | None
    """Seconds for which it has not answered what it was sent."""
    refusal: str
    """What it says."""
    refused: str = ""
    """Of which resource it says so; empty while that is not known."""


@dataclass(frozen=True, slots=True)
class Client:
    """An Envoy; without ADS it has several streams."""

    name: str
    """Its node's id, or its address where it has none."""
    cluster: str
    peer: str
    """Its address."""
    views: tuple[str, ...]
    transports: tuple[str, ...]
    age: float
    """Seconds since the oldest stream was opened."""
    parts: tuple[Part, ...]

    @property
    def progress(self) -> Progress:
        """The worst of its types."""
        found = [part.progress for part in self.parts]
        return next((each for each in _WORST_FIRST if each in found), Progress.UNSENT)


def clients(streams: Iterable[StreamStatus]) -> list[Client]:
    """Everybody who is connected, by name and address."""
    grouped: dict[tuple[str, str], list[StreamStatus]] = {}
    for stream in streams:
        grouped.setdefault(stream.client, []).append(stream)
    return [_client(grouped[key]) for key in sorted(grouped)]


def troubles(client: Client) -> Iterator[tuple[Part, str, float | None]]:
    """What a person should look at of an Envoy, in words that go on after its name, and for how many seconds it lasts.

    Where that is known it is no part of the words, which stay the same meanwhile.
    """
    for part in client.parts:
        if part.progress is Progress.REFUSED:
            yield part, f"rejects {_rejected(part)}: {gist(part.refusal)}", None
        elif part.progress is Progress.BEHIND and (part.unanswered or 0.0) > PATIENCE:
            yield part, f"has not answered what it was sent of {part.type}", part.unanswered
        elif part.progress is Progress.WAITING and part.sent is None and client.age > PATIENCE:
            yield part, f"waits for its first {part.type}", client.age


def remedy(part: Part) -> str:
    """What ends the trouble with a type, as a sentence of its own; empty where nothing is to be mended."""
    if part.progress is not Progress.REFUSED:
        return ""
    mend = {TYPES[CLUSTER.url]: MEND_CLUSTER, TYPES[ENDPOINT.url]: MEND_ENDPOINTS}.get(part.type, "")
    return f" {mend[0].upper()}{mend[1:]}." if mend else ""


def _more(part: Part, lasting: float | None) -> str:
    advice = remedy(part)
    return f".{advice}" if advice else "" if lasting is None else f", for {span(lasting)}"


def _rejected(part: Part) -> str:
    if not part.refused:
        return f"{part.type} and stays with what it accepted before"
    what = "the cluster" if part.type == TYPES[CLUSTER.url] else f"the {part.type} of"
    return f"{what} {part.refused} and stays with what it accepted before of it"


def findings(everybody: Iterable[Client]) -> tuple[str, ...]:
    """What a person should look at, Envoy by Envoy."""
    return tuple(
        f"Envoy {client.name} at {client.peer} {trouble}{_more(part, lasting)}"
        for client in everybody
        for part, trouble, lasting in troubles(client)
    )


def in_sync(everybody: Sequence[Client]) -> int:
    """How many have all that they asked for."""
    return Counter(each.progress for each in everybody)[Progress.SYNCED]


def _client(streams: Sequence[StreamStatus]) -> Client:
    return Client(
        name=streams[0].name,
        cluster=next((each.node.cluster for each in streams if each.node), ""),
        peer=streams[0].peer,
        views=tuple(sorted({each.view for each in streams if each.view})),
        transports=tuple(sorted({_transport(each) for each in streams})),
        age=max(each.age for each in streams),
        parts=tuple(_part(status) for each in streams for status in each.types),
    )


def _transport(stream: StreamStatus) -> str:
    return f"{'ADS' if stream.aggregated else 'separate'}, {'delta' if stream.transport == 'delta' else 'SotW'}"


def _part(status: TypeStatus) -> Part:
    return Part(
        type=TYPES.get(status.type_url, status.type_url),
        progress=_PROGRESS[status.state],
        asked="everything" if status.names is None else f"{status.names} by name",
        version=status.version_acked,
        sent=status.since,
        acked=status.acked,
        unanswered=status.unanswered,
        refusal=status.rejection or "",
        refused=status.rejected,
    )
