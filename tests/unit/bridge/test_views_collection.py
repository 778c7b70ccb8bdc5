import asyncio
import gc
from collections.abc import AsyncIterator, Callable

import pytest
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment

from bridge.config import EdsConfig, ViewMatch, ViewRule
from bridge.diff import Diff
from bridge.merge import Service
from bridge.model import Endpoint, Locality, ServiceName
from bridge.resources import ResourceBuilder
from bridge.views import ClientViews, collection
from support.builders import appeared, changed, endpoint, gone, service
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT, Client, Node, Reason, Refused, SnapshotCache
from xds import Locality as NodeLocality

EDGE = ViewRule(match=ViewMatch(cluster="edge"), services=("web", "api-*"))
NEAR = ViewRule(match=ViewMatch(cluster="near"), locality_failover=True)


def client(cluster: str = "", region: str = "") -> Client:
    return Client(Node("envoy-1", cluster, NodeLocality(region=region)), "memory")


def at(region: str, number: int) -> Endpoint:
    return endpoint(f"10.0.0.{number}", locality=Locality(region))


def collected(*rules: ViewRule, required: bool = False) -> ClientViews:
    return ClientViews(ResourceBuilder({}, []), rules, required=required)


Start = Callable[[ClientViews], None]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Has views filled until the end of the test."""
    tasks: list[asyncio.Task[None]] = []
    yield lambda views: tasks.append(asyncio.create_task(views.run()))
    for task in tasks:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def publish(views: ClientViews, diff: Diff[ServiceName, Service]) -> int | None:
    await views.stage(diff)
    return views.publish()


def names(cache: SnapshotCache) -> set[str] | None:
    """The services to be seen in a view; None when it shows nothing yet."""
    if cache.snapshot is None:
        return None
    assert cache.snapshot.names(CLUSTER.url) == cache.snapshot.names(ENDPOINT.url)
    return set(cache.snapshot.names(CLUSTER.url))


def priorities(cache: SnapshotCache, name: str) -> dict[str, int]:
    """The priority of each region in an assignment."""
    assert cache.snapshot is not None
    decoded = ClusterLoadAssignment.parse(cache.snapshot.resources(ENDPOINT.url)[name].body)
    return {group.locality.region if group.locality else "": group.priority for group in decoded.endpoints}


def version(cache: SnapshotCache, kind_url: str = ENDPOINT.url) -> str:
    assert cache.snapshot is not None
    return cache.snapshot.version(kind_url)


async def test_without_rules_everybody_sees_everything() -> None:
    views = collected()

    number = await publish(views, appeared(service("web"), service("db")))

    assert number == 1
    assert names(views.view(client("edge"))) == {"web", "db"}
    assert views.view(client("edge")) is views.view(client("other", "eu"))
    assert views.snapshot is views.view(client()).snapshot


async def test_a_rule_selects_services(start: Start) -> None:
    views = collected(EDGE)
    start(views)
    edge = views.view(client("edge"))

    await publish(views, appeared(service("web"), service("api-1"), service("db")))
    await eventually(lambda: edge.snapshot is not None)

    assert names(edge) == {"web", "api-1"}
    assert names(views.view(client("other"))) == {"web", "api-1", "db"}
    assert edge.name == "views[0]"
    assert views.view(client("other")).name == "default"


async def test_what_is_shown_is_told_by_view_the_default_first(start: Start) -> None:
    views = collected(EDGE)
    start(views)
    edge = views.view(client("edge"))
    assert views.snapshots() == {}

    await publish(views, appeared(service("web"), service("db")))
    await eventually(lambda: edge.snapshot is not None)

    assert list(views.snapshots().items()) == [("default", views.snapshot), ("views[0]", edge.snapshot)]


async def test_nothing_is_shown_in_any_view_before_the_first_publication(start: Start) -> None:
    views, told = collected(EDGE), list[int]()
    views.watch(told.append)
    start(views)
    edge, default = views.view(client("edge")), views.view(client())
    for _ in range(10):
        await asyncio.sleep(0)
    assert (names(edge), names(default), told) == (None, None, [])
    await views.stage(appeared(service("web")))
    late = views.view(client("edge"))
    for _ in range(10):
        await asyncio.sleep(0)

    assert (names(edge), names(default), told) == (None, None, [])
    assert views.publish() == 1
    assert (names(edge), names(default), told) == ({"web"}, {"web"}, [1])
    assert late is edge


async def test_an_empty_first_publication_is_one() -> None:
    views = collected()

    assert views.publish() == 1
    assert views.publish() is None
    assert names(views.view(client())) == set()


async def test_a_publication_has_one_number_in_all_views_it_concerns(start: Start) -> None:
    views, told = collected(EDGE), list[int]()
    unwatch = views.watch(told.append)
    start(views)
    edge, default = views.view(client("edge")), views.view(client())
    await publish(views, appeared(service("web"), service("db")))
    await eventually(lambda: edge.snapshot is not None)

    both = await publish(views, changed(service("web", [endpoint()])))
    one = await publish(views, changed(service("db", [endpoint()])))
    none = await publish(views, changed(service("db", [endpoint()])))
    unwatch()
    last = await publish(views, gone("web", "db"))

    assert edge.generation is not None
    assert default.generation is not None
    assert none is None
    assert both is not None
    assert one == both + 1
    assert (edge.generation.number, default.generation.number) == (last, last)
    assert told[-2:] == [both, one]
    assert told == sorted(set(told))


async def test_a_view_that_is_not_concerned_keeps_its_generation(start: Start) -> None:
    views = collected(EDGE)
    start(views)
    edge = views.view(client("edge"))
    await publish(views, appeared(service("web"), service("db")))
    await eventually(lambda: edge.snapshot is not None)
    before = edge.generation

    await publish(views, changed(service("db", [endpoint()])))

    assert edge.generation is before


async def test_a_view_opened_later_is_filled_and_told_under_a_new_number(start: Start) -> None:
    views, told = collected(EDGE), list[int]()
    views.watch(told.append)
    start(views)
    await publish(views, appeared(service("web"), service("db")))

    edge = views.view(client("edge"))
    assert names(edge) is None
    await eventually(lambda: edge.snapshot is not None)

    assert names(edge) == {"web"}
    assert told == [1, 2]
    assert await publish(views, gone("web")) == 3


async def test_changes_reach_a_view_while_it_is_being_filled(start: Start) -> None:
    views = collected(ViewRule(match=ViewMatch(cluster="edge"), services=("s*",)))
    many = [f"s{number:04}" for number in range(3 * collection.CHUNK)]
    await publish(views, appeared(*(service(name, [endpoint()]) for name in many)))
    edge = views.view(client("edge"))
    start(views)
    await asyncio.sleep(0)  # the first part is in, the last is not

    await views.stage(changed(service(many[0]), service(many[-1])))
    await views.stage(gone(many[1], many[-2]))
    await views.stage(appeared(service("s9999")))
    assert edge.snapshot is None
    views.publish()
    await eventually(lambda: edge.snapshot is not None)

    assert names(edge) == set(many) - {many[1], many[-2]} | {"s9999"}
    assert version(edge) == version(views.view(client()))


async def test_a_view_that_is_not_full_yet_is_shown_to_nobody(start: Start) -> None:
    views = collected(EDGE)
    many = [f"api-{number}" for number in range(3 * collection.CHUNK)]
    await publish(views, appeared(*map(service, many)))
    edge = views.view(client("edge"))
    start(views)
    await asyncio.sleep(0)  # the first part is in

    views.publish()

    assert edge.snapshot is None
    await eventually(lambda: edge.snapshot is not None)
    assert names(edge) == set(many)


async def test_a_large_change_is_staged_in_parts() -> None:
    views, turns, staged = collected(), 0, asyncio.Event()
    many = [service(f"s{number}") for number in range(10 * collection.CHUNK)]

    async def stage() -> None:
        await views.stage(appeared(*many))
        staged.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage())
        while not staged.is_set():
            await asyncio.sleep(0)
            turns += 1
    views.publish()

    assert turns >= 10
    assert names(views.view(client())) == {each.name for each in many}


async def test_a_filled_view_waits_for_the_publication_under_way(start: Start) -> None:
    views = collected(EDGE)
    start(views)
    await publish(views, appeared(service("web")))

    await views.stage(changed(service("web", [endpoint()])))
    edge = views.view(client("edge"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert edge.snapshot is None

    assert views.publish() == 2
    assert names(edge) == {"web"}


async def test_each_region_has_its_own_endpoints_first(start: Start) -> None:
    views = collected(NEAR)
    start(views)
    await publish(views, appeared(service("web", [at("eu", 1), at("us", 2), at("asia", 3)])))

    eu, us = views.view(client("near", "eu")), views.view(client("near", "us"))
    nowhere, default = views.view(client("near")), views.view(client())
    await eventually(lambda: None not in (eu.snapshot, us.snapshot, nowhere.snapshot))

    assert priorities(eu, "web") == {"eu": 0, "us": 1, "asia": 1}
    assert priorities(us, "web") == {"us": 0, "eu": 1, "asia": 1}
    assert priorities(nowhere, "web") == priorities(default, "web") == {"eu": 0, "us": 0, "asia": 0}
    assert version(nowhere) == version(default)
    assert eu.name == "views[0] in eu"


async def test_a_region_that_gains_its_first_endpoint_is_preferred_from_then_on(start: Start) -> None:
    views = collected(NEAR)
    start(views)
    await publish(views, appeared(service("web", [at("us", 1)])))
    moon = views.view(client("near", "moon"))
    await eventually(lambda: moon.snapshot is not None)
    assert priorities(moon, "web") == {"us": 0}
    assert version(moon) == version(views.view(client()))

    await publish(views, changed(service("web", [at("us", 1), at("moon", 2)])))

    assert priorities(moon, "web") == {"moon": 0, "us": 1}


async def test_invented_regions_are_bounded_and_real_ones_are_not(start: Start) -> None:
    views = collected(NEAR)
    start(views)
    await publish(views, appeared(service("web", [at("eu", 1), at("us", 2)])))

    held = [views.view(client("near", f"made-up-{number}")) for number in range(collection.REGIONS + 10)]
    eu = views.view(client("near", "eu"))
    await eventually(lambda: None not in (held[-1].snapshot, eu.snapshot))

    assert len({id(cache) for cache in held}) == collection.REGIONS + 1
    assert held[-1].name == "views[0]"
    assert priorities(eu, "web") == {"eu": 0, "us": 1}


async def test_a_view_goes_with_the_last_who_has_it_unless_it_was_asked_for_lately(start: Start) -> None:
    views = collected(EDGE, NEAR)
    start(views)
    await publish(views, appeared(service("web")))
    edge = views.view(client("edge"))
    views.view(client("near", "forgotten"))
    for number in range(collection.KEPT):
        views.view(client("near", f"lately-{number}"))
    gc.collect()

    assert {key.region for key in views._caches} == {"", *(f"lately-{n}" for n in range(collection.KEPT))}
    assert len(views._views) == 1 + 1 + collection.KEPT, "the default view, and those"
    assert views.view(client("edge")) is edge
    await eventually(lambda: views.view(client("near", "lately-3")).snapshot is not None)


async def test_asking_again_keeps_a_view() -> None:
    views = collected(NEAR)
    for number in range(3 * collection.KEPT):
        views.view(client("near", "polled"))
        views.view(client("near", f"other-{number}"))
    gc.collect()

    assert "polled" in {key.region for key in views._caches}
    assert len(views._caches) == collection.KEPT


async def test_views_of_one_flavour_share_resources(start: Start) -> None:
    everything = ViewRule(match=ViewMatch(cluster="all"))
    views = collected(EDGE, NEAR, everything)
    start(views)
    await publish(views, appeared(service("web", [at("eu", 1), at("us", 2)]), service("api-1", [at("us", 1)])))

    caches = {
        name: views.view(client(name, region)) for name, region in (("edge", ""), ("near", "eu"), ("all", ""), ("", ""))
    }
    await eventually(lambda: all(cache.snapshot for cache in caches.values()))

    def resources(kind_url: str, name: str) -> set[int]:
        return {id(cache.snapshot.resources(kind_url)[name]) for cache in caches.values() if cache.snapshot}

    assert caches["all"].snapshot is caches[""].snapshot
    assert len(resources(CLUSTER.url, "web")) == 1
    assert len(resources(ENDPOINT.url, "api-1")) == 1, "its endpoints are all elsewhere"
    assert len(resources(ENDPOINT.url, "web")) == 2, "for the region and for everybody else"


async def test_a_region_that_makes_no_difference_costs_no_snapshot_of_its_own(start: Start) -> None:
    views = collected(NEAR)
    start(views)
    await publish(views, appeared(service("web", [at("eu", 1), at("us", 2)]), service("db", [at("us", 1)])))
    mars, eu, default = (views.view(client(*each)) for each in (("near", "mars"), ("near", "eu"), ("", "")))
    await eventually(lambda: None not in (mars.snapshot, eu.snapshot))

    for number in range(3):
        await publish(views, changed(service("web", [at("eu", 1), at("us", 3 + number)])))

    assert mars.snapshot is default.snapshot
    assert eu.snapshot is not default.snapshot
    assert mars.generation is not None
    assert default.generation is not None
    assert mars.generation.number == default.generation.number


async def test_where_endpoints_come_from_changes_clusters_alone(start: Start) -> None:
    views = collected(ViewRule(match=ViewMatch(cluster="separate"), eds=EdsConfig()))
    start(views)
    await publish(views, appeared(service("web", [endpoint()])))
    separate, default = views.view(client("separate")), views.view(client())
    await eventually(lambda: separate.snapshot is not None)

    assert version(separate) == version(default)
    assert version(separate, CLUSTER.url) != version(default, CLUSTER.url)


async def test_whoever_no_rule_matches_is_refused_where_one_has_to() -> None:
    views = collected(EDGE, required=True)

    with pytest.raises(Refused, match=r"no view .* node id 'envoy-1', cluster 'web'") as refusal:
        views.view(client("web"))

    assert refusal.value.reason is Reason.NO_VIEW
    assert views.view(client("edge")).name == "views[0]"
