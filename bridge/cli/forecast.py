"""From each view of a running bridge to the one that its Envoys would have by another configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bridge.cli import running
from bridge.cli.client import Way
from bridge.cli.comparison import ClusterChange, Content, compare
from bridge.cli.decoded import reader
from bridge.cli.outlook import Sight, sights
from bridge.config import Config
from bridge.merge import Service
from bridge.model import ServiceName
from bridge.views import ClientViews, chosen, heir
from xds import CLUSTER, ENDPOINT, Client, Locality, Node, SnapshotCache

NAMED = 20
"""Envoys of a view that are named."""

_Target = tuple[int | None, str]
"""The rule of a view and its region; no rule for those that none is for."""


@dataclass(frozen=True, slots=True)
class Move:
    """Envoys that have one view and would have another one."""

    view: running.View
    rule: int | None
    region: str
    refused: bool
    """Whether they would have none."""
    envoys: tuple[str, ...] = ()


def moves(config: Config, views: Sequence[running.View], streams: Sequence[running.Stream]) -> Sequence[Move]:
    """Where the Envoys of each view would go: those that are connected, or else whom its rule is for.

    Where a rule goes by metadata, which a bridge does not tell of its Envoys, the rule of their view decides.
    """
    found: list[Move] = []
    untold = any(rule.match.metadata for rule in config.views)
    for view in views:
        targets: dict[_Target, set[str]] = {}
        for stream in streams:
            if stream.view == view.name and stream.node:
                client = _client(stream)
                rule = heir(config.views, view.match) if untold else chosen(config.views, client)
                target = (rule, client.node.locality.region)
                targets.setdefault(_settled(config, target), set()).add(stream.node.id)
        if not targets:
            targets[_settled(config, (heir(config.views, view.match), view.region))] = set()
        for (place, region), envoys in sorted(targets.items(), key=str):
            refused = place is None and config.views_required
            found.append(Move(view, place, region, refused, tuple(sorted(envoys)[:NAMED])))
    return found


async def compared(
    config: Config, known: Mapping[ServiceName, Service], moves: Sequence[Move], ways: Sequence[Way]
) -> Sequence[tuple[Move, Sight | None, Sequence[ClusterChange]]]:
    """What each view would become, and the difference; of one whose Envoys would be refused, nothing."""
    kept = [move for move in moves if not move.refused]
    seen = iter(await sights(config, known, [partial(_asked, move) for move in kept]))
    read = reader()
    found: list[tuple[Move, Sight | None, Sequence[ClusterChange]]] = []
    for move in moves:
        sight = None if move.refused else next(seen)
        found.append((move, sight, compare(*await _contents(ways, move.view, sight), read) if sight else ()))
    return found


async def _contents(ways: Sequence[Way], view: running.View, sight: Sight) -> tuple[Content, Content]:
    """What is served and what would be; of types that have the same version on both sides, nothing on either."""
    whole = sight.content
    clusters = endpoints = Content({}, {})
    if view.versions.get("cluster") != sight.snapshot.version(CLUSTER.url):
        clusters = Content(await running.resources(ways, view.name, "cluster"), whole.clusters)
    if view.versions.get("endpoint") != sight.snapshot.version(ENDPOINT.url):
        endpoints = Content(await running.resources(ways, view.name, "endpoint"), whole.assignments)
    return Content(clusters[0], endpoints[0]), Content(clusters[1], endpoints[1])


def _asked(move: Move, views: ClientViews) -> SnapshotCache:
    return views.ruled(move.rule, move.region)


def _settled(config: Config, target: _Target) -> _Target:
    """Without a region where the rule makes no difference by it."""
    rule, region = target
    return rule, region if rule is not None and config.views[rule].locality_failover else ""


def _client(stream: running.Stream) -> Client:
    assert stream.node  # noqa: S101 (asked before; narrows the type)
    said = stream.node
    node = Node(said.id, said.cluster, Locality(region=said.locality.region), said.metadata)
    return Client(node, "", stream.names)
