"""Envoys as `/api/v1/envoys` shows them: their streams put together."""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel

_URGENCY = ("synced", "not_sent", "waiting", "stale", "error")
"""Of several streams, the last of these is what an operator should see."""

_LABELS = {"Cluster": "clusters", "ClusterLoadAssignment": "endpoints"}


class Locality(BaseModel):
    """Where an Envoy says that it runs."""

    region: str
    zone: str
    sub_zone: str


class Node(BaseModel):
    """Who an Envoy says that it is."""

    id: str
    cluster: str
    locality: Locality


class TypeStatus(BaseModel):
    """What a stream has of one type."""

    type_url: str
    names: int | None
    version_sent: str
    version_acked: str
    rejection: str | None
    rejected: str
    since: float | None
    state: str
    acked: float | None
    unanswered: float | None


class Stream(BaseModel):
    """One open stream."""

    id: int
    node: Node | None
    peer: str
    transport: str
    aggregated: bool
    age: float
    types: tuple[TypeStatus, ...]
    view: str
    names: tuple[str, ...]


class Envoy(BaseModel):
    """All streams of one connection, each type once: with the worst news, and what was accepted last."""

    node: str
    cluster: str
    address: str
    names: tuple[str, ...]
    """Of its certificate."""
    transport: str
    view: str
    connected: float
    """Seconds."""
    types: tuple[TypeStatus, ...]


def merged(streams: Iterable[Stream]) -> tuple[Envoy, ...]:
    """One Envoy for each node id and address, sorted by these; an Envoy without ADS has several streams."""
    grouped: dict[tuple[str, str], list[Stream]] = {}
    for stream in streams:
        grouped.setdefault((stream.node.id if stream.node else "", stream.peer), []).append(stream)
    return tuple(_envoy(grouped[key]) for key in sorted(grouped))


def label(type_url: str) -> str:
    """A type in a word."""
    name = type_url.rpartition(".")[2]
    return _LABELS.get(name, name)


def _envoy(streams: Sequence[Stream]) -> Envoy:
    first = streams[0]
    by_type: dict[str, list[TypeStatus]] = {}
    for stream in streams:
        for each in stream.types:
            by_type.setdefault(each.type_url, []).append(each)
    return Envoy(
        node=first.node.id if first.node else "",
        cluster=first.node.cluster if first.node else "",
        address=first.peer,
        names=first.names,
        transport=_transport(first),
        view=", ".join(dict.fromkeys(stream.view for stream in streams if stream.view)),
        connected=max(stream.age for stream in streams),
        types=tuple(_together(by_type[url]) for url in sorted(by_type)),
    )


def _transport(stream: Stream) -> str:
    return stream.transport if stream.aggregated else f"{stream.transport}, a stream for each type"


def _together(statuses: Sequence[TypeStatus]) -> TypeStatus:
    worst = max(statuses, key=lambda each: _URGENCY.index(each.state) if each.state in _URGENCY else 0)
    latest = min(statuses, key=lambda each: (each.acked is None, each.acked))
    named = [each.names for each in statuses]
    names = None if None in named else sum(count or 0 for count in named)
    return worst.model_copy(update={"names": names, "version_acked": latest.version_acked, "acked": latest.acked})
