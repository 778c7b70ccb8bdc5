"""The Envoys that are connected, each with what it has of each type: for people, not for the protocol."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from xds import CLUSTER, ENDPOINT, StreamStatus, TypeState, TypeStatus

TYPES = MappingProxyType({CLUSTER.url: "clusters", ENDPOINT.url: "endpoints"})
"""What people call the types."""


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
    refusal: str
    """What it says."""


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
        refusal=status.rejection or "",
    )
