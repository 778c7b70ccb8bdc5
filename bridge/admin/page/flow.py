"""The picture of the flow, sources → services → Envoys, as shapes with coordinates: a pure function.

However many there are, it stays a picture: of each kind the ones that matter most are drawn, and the others as one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import log10
from typing import TypeVar
from urllib.parse import quote, urlencode

from bridge.admin.client import Client, Progress
from bridge.admin.digest import Digest, Tally, together
from bridge.admin.source import SourceDocument
from bridge.admin.wording import thousands

SOURCES, SERVICES, GROUPS = 6, 8, 6
"""How many of each are drawn one by one."""

WIDTH = 1180.0
_NODE, _HEIGHT, _ROW, _TOP = 262.0, 38.0, 46.0, 30.0
_LEFT, _MIDDLE, _HUB, _RIGHT = 2.0, 396.0, 774.0, 914.0
_HUB_WIDTH = 12.0
_NAME = 30
"""Characters of a name that fit; the whole of it is in the title."""

ITEM = TypeVar("ITEM")


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Shape:
    """A box with a name, a line of numbers, and a bar."""

    name: str
    title: str
    detail: str
    tone: str
    """`good`, `warn` or `bad`; `idle` where there is nothing."""
    link: str
    x: float
    y: float
    bar: tuple[Segment, ...]
    width: float = _NODE
    height: float = _HEIGHT


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from the right of one box to the left of another."""

    path: str
    width: float
    tone: str


@dataclass(frozen=True, slots=True)
class Hub:
    """What is between services and Envoys: the snapshot that is served."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is drawn, and the same in words."""

    height: float
    headings: tuple[tuple[float, str], ...]
    shapes: tuple[Shape, ...]
    edges: tuple[Edge, ...]
    hub: Hub
    words: str
    width: float = WIDTH


@dataclass(frozen=True, slots=True)
class _Group:
    """One or several of a kind, drawn as one."""

    names: frozenset[str]
    name: str
    detail: str
    tone: str
    link: str
    parts: Sequence[tuple[str, int]]


def picture(
    sources: Sequence[SourceDocument], digests: Sequence[Digest], everybody: Sequence[Client], *, ready: bool
) -> Picture:
    """The picture of this moment."""
    left = _source_groups(sources, digests)
    middle = _service_groups(digests)
    right = _client_groups(everybody)
    rows = max(len(left), len(middle), len(right), 1)
    height = _TOP + rows * _ROW
    columns = [(_LEFT, left), (_MIDDLE, middle), (_RIGHT, right)]
    placed = [[_shape(group, x, y) for group, y in _placed(groups, rows)] for x, groups in columns]
    hub = Hub(_HUB, _TOP, _HUB_WIDTH, rows * _ROW - (_ROW - _HEIGHT), "good" if ready else "bad")
    total = together(digest.tally for digest in digests)
    return Picture(
        height=height,
        headings=(
            (_LEFT, f"Sources · {len(sources)}"),
            (_MIDDLE, f"Services · {thousands(len(digests))}"),
            (_HUB - 8, "xDS"),
            (_RIGHT, f"Envoys · {thousands(len(everybody))}"),
        ),
        shapes=tuple(shape for column in placed for shape in column),
        edges=(
            *_reports(list(zip(left, placed[0], strict=True)), list(zip(middle, placed[1], strict=True)), digests),
            *(_edge(shape, hub.x, shape.y + _HEIGHT / 2, 1.5, shape.tone) for shape in placed[1]),
            *(_from_hub(hub, shape) for shape in placed[2]),
        ),
        hub=hub,
        words=(
            f"{len(sources)} sources report {len(digests)} services with {total.total} endpoints, of which "
            f"{total.healthy} are healthy, to {len(everybody)} Envoys."
        ),
    )


def source_tone(source: SourceDocument) -> str:
    """How reading a source goes, as a tone."""
    if last_read(source) is None:
        return "bad" if source.failures else "idle"
    return "warn" if source.failures or source.paused or source.stale else "good"


def last_read(source: SourceDocument) -> float | None:
    """When all of a source had been read, or what was read of it so far; None while nothing was."""
    if source.last_success is not None:
        return source.last_success
    return max((each.last_success for each in source.readings if each.last_success is not None), default=None)


def tally_tone(tally: Tally) -> str:
    """How endpoints are, as a tone."""
    if not tally.total:
        return "idle"
    if not tally.healthy:
        return "bad"
    return "good" if tally.healthy == tally.total else "warn"


def _worst(tones: Iterable[str]) -> str:
    return max(tones, key=["idle", "good", "warn", "bad"].index, default="idle")


def _source_groups(sources: Sequence[SourceDocument], digests: Sequence[Digest]) -> list[_Group]:
    each_of: dict[str, list[Tally]] = {}
    for digest in digests:
        for source, tally in digest.by_source.items():
            each_of.setdefault(source, []).append(tally)
    served = {source: together(tallies) for source, tallies in each_of.items()}

    def one(source: SourceDocument) -> _Group:
        tally = served.get(source.name, Tally())
        detail = f"{source.type} · {_healthy(tally)}"
        link = f"/services?source={quote(source.name)}"
        return _Group(frozenset({source.name}), source.name, detail, source_tone(source), link, tally.parts())

    def others(rest: Sequence[SourceDocument]) -> _Group:
        tally = together(served.get(each.name, Tally()) for each in rest)
        names = frozenset(each.name for each in rest)
        tone = _worst(map(source_tone, rest))
        return _Group(names, f"{len(rest)} other sources", _healthy(tally), tone, "#sources", tally.parts())

    order = {"bad": 0, "warn": 1, "good": 2, "idle": 3}
    chosen, rest = _chosen(sources, SOURCES, lambda each: (order[source_tone(each)],))
    return [*map(one, chosen), *([others(rest)] if rest else [])]


def _service_groups(digests: Sequence[Digest]) -> list[_Group]:
    def one(digest: Digest) -> _Group:
        link = f"/services/{quote(digest.name)}"
        tone, parts = tally_tone(digest.tally), digest.tally.parts()
        return _Group(frozenset({digest.name}), digest.name, _healthy(digest.tally), tone, link, parts)

    def others(rest: Sequence[Digest]) -> _Group:
        tally = together(digest.tally for digest in rest)
        tone = _worst(tally_tone(digest.tally) for digest in rest)
        names = frozenset(digest.name for digest in rest)
        name = f"{thousands(len(rest))} other services"
        return _Group(names, name, _healthy(tally), tone, "/services", tally.parts())

    order = {"bad": 0, "warn": 1, "good": 2, "idle": 3}
    chosen, rest = _chosen(digests, SERVICES, lambda each: (order[tally_tone(each.tally)], -each.tally.total))
    return [*map(one, chosen), *([others(rest)] if rest else [])]


def _client_groups(everybody: Sequence[Client]) -> list[_Group]:
    """Envoys by the cluster of their node."""
    grouped: dict[str, list[Client]] = {}
    for client in everybody:
        grouped.setdefault(client.cluster, []).append(client)

    def one(name: str, members: Sequence[Client], link: str) -> _Group:
        counts = Counter(each.progress for each in members)
        synced = counts[Progress.SYNCED]
        tone = "bad" if counts[Progress.REFUSED] else "good" if synced == len(members) else "warn"
        parts = [(progress.name.lower(), counts[progress]) for progress in Progress if counts[progress]]
        detail = f"{thousands(synced)} of {thousands(len(members))} in sync"
        return _Group(frozenset({name}), name or "no cluster", detail, tone, link, parts)

    chosen, rest = _chosen(list(grouped.items()), GROUPS, lambda each: (-len(each[1]),))
    groups = [
        one(name, members, f"/envoys?{urlencode({'cluster': name})}" if name else "/envoys") for name, members in chosen
    ]
    if rest:
        members = [client for _, several in rest for client in several]
        groups.append(one(f"{len(rest)} other clusters", members, "/envoys"))
    return groups


def _chosen(
    items: Sequence[ITEM], most: int, order: Callable[[ITEM], tuple[int, ...]]
) -> tuple[Sequence[ITEM], Sequence[ITEM]]:
    """The first ones by an order, in the order that they have, and the others; one more where only one is left."""
    if len(items) <= most + 1:
        return items, ()
    first = {id(item) for item in sorted(items, key=order)[:most]}
    return [item for item in items if id(item) in first], [item for item in items if id(item) not in first]


def _placed(groups: Sequence[_Group], rows: int) -> Iterable[tuple[_Group, float]]:
    """In the middle of the column."""
    above = (rows - len(groups)) * _ROW / 2
    return ((group, _TOP + above + place * _ROW) for place, group in enumerate(groups))


def _shape(group: _Group, x: float, y: float) -> Shape:
    name = group.name if len(group.name) <= _NAME else f"{group.name[: _NAME - 1]}…"
    title = f"{group.name}: {group.detail}"
    return Shape(name, title, group.detail, group.tone, group.link, x, y, segments(group.parts, x, _NODE))


def segments(parts: Sequence[tuple[str, int]], x: float, width: float) -> tuple[Segment, ...]:
    """A bar of a width, divided by counts."""
    total = sum(count for _, count in parts)
    found, at = [], x
    for kind, count in parts:
        share = round(width * count / total, 1)
        found.append(Segment(kind, round(at, 1), share))
        at += share
    return tuple(found)


_Placed = Sequence[tuple[_Group, Shape]]


def _reports(left: _Placed, middle: _Placed, digests: Sequence[Digest]) -> list[Edge]:
    """Who reports which services: a line for each two, as thick as there are endpoints."""
    by_name = {name: place for place, (group, _) in enumerate(left) for name in group.names}
    place_of = {name: place for place, (group, _) in enumerate(middle) for name in group.names}
    flows: dict[tuple[int, int], list[Tally]] = {}
    for digest in digests:
        for source, tally in digest.by_source.items():
            if source in by_name:
                key = by_name[source], place_of[digest.name]
                flows.setdefault(key, []).append(tally)
    return [_flow(left[one][1], middle[two][1], together(flows[one, two])) for one, two in sorted(flows)]


def _flow(source: Shape, service: Shape, tally: Tally) -> Edge:
    width = round(1.5 + 2 * log10(tally.total + 1), 1)
    return _edge(source, service.x, service.y + _HEIGHT / 2, width, tally_tone(tally))


def _edge(start: Shape, x: float, y: float, width: float, tone: str) -> Edge:
    return _curve(start.x + start.width, start.y + _HEIGHT / 2, x, y, Edge("", width, tone))


def _from_hub(hub: Hub, shape: Shape) -> Edge:
    y = min(max(shape.y + _HEIGHT / 2, hub.y), hub.y + hub.height)
    return _curve(hub.x + hub.width, y, shape.x, shape.y + _HEIGHT / 2, Edge("", 1.5, shape.tone))


def _curve(x1: float, y1: float, x2: float, y2: float, edge: Edge) -> Edge:
    middle = (x1 + x2) / 2
    return Edge(f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}", edge.width, edge.tone)


def _healthy(tally: Tally) -> str:
    return f"{thousands(tally.healthy)} of {thousands(tally.total)} healthy" if tally.total else "no endpoints"
