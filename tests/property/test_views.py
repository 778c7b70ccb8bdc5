"""Whatever happened before, each view shows what the rules say of the services there are now, and nothing else."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.bootstrap import ApiType
from bridge.config import EdsConfig, ViewMatch, ViewRule
from bridge.diff import Diff, between
from bridge.merge import ServedEndpoint, Service
from bridge.model import Endpoint, Health, Locality, ServiceName
from bridge.resources import EdsServer, Flavour, ResourceBuilder
from bridge.resources.assignment import eligible, encode
from bridge.views import ClientViews
from xds import CLUSTER, ENDPOINT, Client, Node, Snapshot, SnapshotCache, content_version
from xds import Locality as NodeLocality

Services = Mapping[ServiceName, Service]

EVERYTHING = ViewRule()
RULES = {
    "web": ViewRule(match=ViewMatch(cluster="web"), services=("web", "w*")),
    "near": ViewRule(match=ViewMatch(cluster="near"), locality_failover=True),
    "near-api": ViewRule(match=ViewMatch(cluster="near-api"), services=("api-*",), locality_failover=True),
    "separate": ViewRule(
        match=ViewMatch(cluster="separate"),
        locality_failover=True,
        eds=EdsConfig(cluster="bridges", api_type=ApiType.GRPC),
    ),
}


@dataclass(frozen=True)
class Publish:
    """There are these services from now on, which is told in so many parts."""

    services: Services
    parts: int


@dataclass(frozen=True)
class Open:
    """A client comes, and stays."""

    client: Client


@dataclass(frozen=True)
class Turns:
    """Others get their turn on the event loop."""

    count: int


Step = Publish | Open | Turns

regions = st.sampled_from(["", "eu", "us"])
endpoints = st.builds(
    ServedEndpoint,
    st.builds(
        Endpoint,
        address=st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]),
        port=st.just(80),
        health=st.sampled_from(Health),
        locality=regions.map(Locality),
    ),
    origins=st.just(()),
    priority=st.integers(0, 2),
)
names = st.sampled_from(["web", "w2", "api-1", "api-2", "db"]).map(ServiceName)
assigned = st.lists(endpoints, max_size=4, unique_by=lambda served: served.endpoint.key).map(tuple)
services = st.dictionaries(names, assigned).map(
    lambda known: {name: Service(name, served) for name, served in known.items()}
)
nodes = st.builds(
    lambda cluster, region: Node("envoy", cluster, NodeLocality(region=region)),
    st.sampled_from(["no rule", *RULES]),
    regions,
)
clients = nodes.map(lambda node: Client(node, "memory"))
steps = st.one_of(
    st.builds(Publish, services, st.integers(1, 3)), st.builds(Open, clients), st.builds(Turns, st.integers(1, 5))
)


@pytest.fixture(scope="module")
def builder() -> ResourceBuilder:
    """What it made in one example must not show in the next, as what it made of one state must not in another."""
    return ResourceBuilder({}, [])


@pytest.fixture(scope="module")
def oracle() -> ResourceBuilder:
    return ResourceBuilder({}, [])


@given(st.lists(steps, max_size=12), services)
def test_each_view_shows_what_the_rules_make_of_the_services(
    builder: ResourceBuilder, oracle: ResourceBuilder, history: list[Step], last: Services
) -> None:
    views = ClientViews(builder, list(RULES.values()), required=False)
    told: list[int] = []
    views.watch(told.append)

    opened = asyncio.run(_play(views, [*history, Publish(last, 1)]))

    for client, cache in opened:
        plain = _plain(oracle, client, last)
        assert cache.snapshot is not None
        for kind in (CLUSTER, ENDPOINT):
            assert cache.snapshot.resources(kind.url) == plain.resources(kind.url)
            assert cache.snapshot.version(kind.url) == plain.version(kind.url)
        assert cache.generation is not None
        assert cache.generation.number in told
    assert told == sorted(set(told))


async def _play(views: ClientViews, history: Sequence[Step]) -> list[tuple[Client, SnapshotCache]]:
    """Let everything happen; the views that were opened, when all of them show something."""
    opened: list[tuple[Client, SnapshotCache]] = []
    known: Services = {}
    filling = asyncio.create_task(views.run())
    for step in history:
        match step:
            case Open(client):
                opened.append((client, views.view(client)))
            case Turns(count):
                await _turns(count)
            case Publish(then, parts):
                for part in _parts(between(known, then), parts):
                    await views.stage(part)
                views.publish()
                known = then
    while any(cache.snapshot is None for _, cache in opened):
        await _turns(1)
    filling.cancel()
    return opened


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def _parts(diff: Diff[ServiceName, Service], count: int) -> Iterator[Diff[ServiceName, Service]]:
    for part in range(count):
        yield Diff(
            dict(islice(diff.added.items(), part, None, count)),
            dict(islice(diff.changed.items(), part, None, count)),
            frozenset(islice(sorted(diff.removed), part, None, count)),
        )


def _plain(oracle: ResourceBuilder, client: Client, services: Services) -> Snapshot:
    """What a client is to see, made anew by the words of the documentation."""
    rule = RULES.get(client.node.cluster, EVERYTHING)
    seen = {name: each for name, each in services.items() if any(fnmatchcase(name, glob) for glob in rule.services)}
    eds = EdsServer(rule.eds.cluster, rule.eds.api_type, rule.eds.refresh_delay) if rule.eds else None
    snapshot = oracle.apply(Snapshot(), Diff(added=seen), Flavour(eds))
    region = client.node.locality.region if rule.locality_failover else ""
    assignments = []
    for resource in snapshot.resources(ENDPOINT.url).values():
        ranked = [_ranked(served, region) for served in seen[ServiceName(resource.name)].endpoints]
        body, _ = encode(resource.name, eligible(ranked, 50), {})
        assignments.append(replace(resource, body=body, version=content_version(body)))
    return snapshot.replace(ENDPOINT.url, assignments)


def _ranked(served: ServedEndpoint, region: str) -> ServedEndpoint:
    elsewhere = bool(region) and served.endpoint.locality.region != region
    return replace(served, priority=2 * served.priority + elsewhere)
