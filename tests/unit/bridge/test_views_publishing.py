import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bridge.config import ViewMatch, ViewRule
from bridge.resources import ResourceBuilder
from bridge.views import ClientViews
from support.builders import appeared, changed, endpoint, service
from support.waiting import eventually
from support.work import instructions
from xds import CLUSTER, Client, Node, SnapshotCache

RULES = [
    ViewRule(match=ViewMatch(cluster="edge"), services=("web", "api-*")),
    ViewRule(match=ViewMatch(cluster="near"), locality_failover=True),
]


@asynccontextmanager
async def shown(views: ClientViews, *names: str) -> AsyncIterator[Sequence[SnapshotCache]]:
    """These services are published, and the default view and one for each rule show them."""
    filling = asyncio.create_task(views.run())
    await views.stage(appeared(*map(service, names)))
    views.publish()
    caches = [views.view(Client(Node("envoy-1", cluster), "memory")) for cluster in ("", "edge", "near")]
    await eventually(lambda: all(cache.snapshot for cache in caches))
    yield caches
    filling.cancel()


async def test_publishing_costs_by_views_and_not_by_services_or_changes() -> None:
    costs = []
    for count in (10, 1000):
        views, names = ClientViews(ResourceBuilder({}, []), RULES, required=False), [f"api-{n}" for n in range(count)]
        async with shown(views, *names) as caches:
            await views.stage(changed(*(service(name, [endpoint()]) for name in names[: count // 2])))
            costs.append(instructions(views.publish))

            assert [len(cache.snapshot.names(CLUSTER.url)) for cache in caches if cache.snapshot] == [count] * 3
            assert len({cache.generation.number for cache in caches if cache.generation}) == 1
    assert costs[0] == costs[1]


async def test_a_change_taken_back_before_it_is_published_is_none() -> None:
    views = ClientViews(ResourceBuilder({}, []), RULES, required=False)
    async with shown(views, "web", "db") as (default, edge, _):
        shown_before = edge.generation

        await views.stage(changed(service("web", [endpoint()]), service("db", [endpoint()])))
        await views.stage(changed(service("web")))
        published = views.publish()
        await views.stage(changed(service("db")))
        again = views.publish()

        assert None not in (published, again)
        assert default.generation is not None
        assert default.generation.number == again
        assert edge.generation is shown_before, "of db this view shows nothing"
