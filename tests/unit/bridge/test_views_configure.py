"""Views under other rules and templates, while their streams go on."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster

from bridge.config import EdsConfig, ViewMatch, ViewRule
from bridge.diff import Diff
from bridge.merge import Service
from bridge.model import Locality, ServiceName
from bridge.resources import ResourceBuilder
from bridge.views import ClientViews, ShownView
from support.builders import appeared, endpoint, service
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT, Client, Node, Refused, SnapshotCache
from xds import Locality as NodeLocality

EDGE, CORE = ViewMatch(cluster="edge"), ViewMatch(cluster="core")
SERVICES = (
    service("web"),
    service("api"),
    service("db", [endpoint("10.0.0.1", locality=Locality("eu")), endpoint("10.0.0.2", locality=Locality("us"))]),
)


def client(cluster: str = "edge", region: str = "") -> Client:
    return Client(Node("envoy-1", cluster, NodeLocality(region=region)), "memory")


def names(cache: SnapshotCache) -> set[str]:
    assert cache.snapshot is not None
    assert cache.snapshot.names(CLUSTER.url) == cache.snapshot.names(ENDPOINT.url)
    return set(cache.snapshot.names(CLUSTER.url))


def cluster(cache: SnapshotCache, name: str = "web") -> Cluster:
    assert cache.snapshot is not None
    return Cluster.parse(cache.snapshot.resources(CLUSTER.url)[name].body)


def endpoints(cache: SnapshotCache) -> str:
    assert cache.snapshot is not None
    return cache.snapshot.version(ENDPOINT.url)


class Bench:
    """Views that run and show three services."""

    def __init__(self) -> None:
        self.views = ClientViews(
            ResourceBuilder({}, []), [ViewRule(match=EDGE, services=("web", "api"))], required=False
        )

    async def publish(self, diff: Diff[ServiceName, Service]) -> None:
        await self.views.stage(diff)
        self.views.publish()

    async def configure(self, *rules: ViewRule, timeout: str = "", required: bool = False) -> None:
        """Go by other rules, and publish everything anew."""
        builder = ResourceBuilder({"connect_timeout": timeout}, []) if timeout else None
        self.views.configure(builder, rules, required=required)
        await self.publish(Diff(changed={each.name: each for each in SERVICES}))

    async def shown(self, client: Client) -> SnapshotCache:
        """The view of a client, filled."""
        cache = self.views.view(client)
        await eventually(lambda: cache.snapshot is not None)
        return cache


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    task = asyncio.create_task(bench.views.run())
    await bench.publish(appeared(*SERVICES))
    yield bench
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_view_is_narrowed_and_widened_in_place(bench: Bench) -> None:
    edge = await bench.shown(client())

    await bench.configure(ViewRule(match=EDGE, services=("web",)))
    assert bench.views.view(client()) is edge
    assert names(edge) == {"web"}

    await bench.configure(ViewRule(match=EDGE))
    assert names(edge) == {"web", "api", "db"}

    await bench.configure(ViewRule(match=EDGE, services=("db",)))
    assert names(edge) == {"db"}
    assert names(bench.views.view(client("other"))) == {"web", "api", "db"}


async def test_a_view_is_changed_in_one_generation(bench: Bench) -> None:
    edge, told = await bench.shown(client()), list[int]()
    edge.watch(told.append)

    await bench.configure(ViewRule(match=EDGE, services=("api", "db")), timeout="3s")

    assert len(told) == 1


async def test_nothing_is_shown_before_everything_was_made_anew(bench: Bench) -> None:
    edge, default = await bench.shown(client()), bench.views.view(client("other"))

    bench.views.configure(ResourceBuilder({"connect_timeout": "3s"}, []), [ViewRule(match=EDGE)], required=False)
    new = bench.views.view(client())  # asks, and so has the filler look around
    for _ in range(20):
        await asyncio.sleep(0)
    published = asyncio.create_task(bench.views.published())
    await asyncio.sleep(0)

    assert new is edge
    assert (names(edge), names(default)) == ({"web", "api"}, {"web", "api", "db"})
    assert not published.done()
    await bench.publish(Diff(changed={each.name: each for each in SERVICES}))
    await published
    assert names(edge) == {"web", "api", "db"}


async def test_a_rule_is_known_by_whom_it_is_for_wherever_it_stands(bench: Bench) -> None:
    edge = await bench.shown(client())

    await bench.configure(ViewRule(match=CORE, services=("db",)), ViewRule(match=EDGE, services=("web", "api")))

    assert bench.views.view(client()) is edge
    assert edge.name == "views[1]"
    core = await bench.shown(client("core"))
    assert (names(edge), names(core)) == ({"web", "api"}, {"db"})


async def test_clients_of_a_rule_that_is_gone_are_given_another_view(bench: Bench) -> None:
    edge = await bench.shown(client())

    await bench.configure(ViewRule(match=CORE))
    assert bench.views.view(client()) is bench.views.view(client("other")) is not edge

    await bench.configure(ViewRule(match=CORE), required=True)
    with pytest.raises(Refused):
        bench.views.view(client())


async def test_new_templates_reach_every_view_and_equal_ones_change_nothing(bench: Bench) -> None:
    edge, default = await bench.shown(client()), bench.views.view(client("other"))
    rule = ViewRule(match=EDGE, services=("web", "api"))
    before = edge.snapshot

    await bench.configure(rule)
    assert edge.snapshot is before
    await bench.configure(rule, timeout="3s")

    for cache in (edge, default):
        timeout = cluster(cache).connect_timeout
        assert timeout is not None
        assert timeout.total_seconds() == 3


async def test_another_way_to_ask_for_endpoints_is_in_the_clusters_of_the_same_view(bench: Bench) -> None:
    edge = await bench.shown(client())

    await bench.configure(ViewRule(match=EDGE, eds=EdsConfig(cluster="bridges")))

    config = cluster(edge).eds_cluster_config
    assert config is not None
    assert config.eds_config is not None
    assert config.eds_config.api_config_source is not None
    assert bench.views.view(client()) is edge


async def test_regions_that_begin_to_count_have_views_of_their_own_and_lose_their_preference_in_place(
    bench: Bench,
) -> None:
    everybody, default = await bench.shown(client(region="eu")), bench.views.view(client("other"))

    await bench.configure(ViewRule(match=EDGE, locality_failover=True))
    eu = await bench.shown(client(region="eu"))
    assert eu is not everybody
    assert endpoints(eu) != endpoints(default)

    await bench.configure(ViewRule(match=EDGE))
    assert bench.views.view(client(region="eu")) is eu
    assert endpoints(eu) == endpoints(default)


async def test_what_is_shown_is_told_with_its_rule(bench: Bench) -> None:
    edge = await bench.shown(client())
    default = bench.views.snapshot

    assert default
    assert edge.snapshot
    assert bench.views.shown() == [
        ShownView("default", None, "", default),
        ShownView("views[0]", 0, "", edge.snapshot),
    ]


@pytest.mark.parametrize(("rules", "required"), [((ViewRule(),), False), ((ViewRule(match=CORE),), True)])
async def test_the_default_view_is_not_told_where_nobody_can_have_it(
    bench: Bench, rules: tuple[ViewRule, ...], *, required: bool
) -> None:
    await bench.configure(*rules, required=required)

    assert bench.views.shown() == []


async def test_a_view_can_be_asked_for_by_its_rule(bench: Bench) -> None:
    await bench.configure(ViewRule(match=EDGE), ViewRule(match=CORE, locality_failover=True))

    ruled, views = bench.views.ruled, bench.views
    assert ruled(None, "eu") is views.view(client("other", "eu"))
    assert ruled(0, "eu") is views.view(client("edge", "us"))
    assert ruled(1, "eu") is views.view(client("core", "eu"))
    assert ruled(1, "eu") is not views.view(client("core", "us"))
