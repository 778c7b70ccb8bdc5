"""A real Envoy that comes back, to the same bridge or to another one, notices nothing but what changed meanwhile."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.envoy_content import Content, hosts
from support.replica import Replica, replica
from support.subject import Subject, subject
from support.transports import Transport
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT, ResourceType

LATER = {"connect_timeout": "7s"}
CLUSTERS_ALONE = (CLUSTER,)


@pytest.fixture
def content(transport: Transport) -> Content:
    return Content(transport, {"web": hosts(1, 2), "other": hosts(3), "empty": []})


@pytest.fixture
async def envoy(transport: Transport, bridge: Replica, content: Content, tmp_path: Path) -> AsyncIterator[Subject]:
    bridge.cache.set(content.snapshot())
    async with subject(transport, [bridge.port], tmp_path) as started:
        await started.has(content)
        yield started
        assert await started.fetch_timeouts() == {}
        assert bridge.recorder.of("nacked") == []


async def has_come_back(content: Content, bridge: Replica) -> None:
    """Wait until Envoy has taken the endpoints of all its clusters from here, and asked for its clusters too."""
    await eventually(lambda: bridge.taken(ENDPOINT) == len(content.services), what="Envoy took its endpoints again")
    await eventually(lambda: bridge.asked(CLUSTER), what="Envoy asked for its clusters")


def sent(bridge: Replica, kind: ResourceType) -> int:
    """How many resources of a type were sent."""
    return sum(count for url, count in bridge.recorder.of("sent") if url == kind.url and isinstance(count, int))


async def test_nothing_changes_when_an_idle_envoy_comes_back(bridge: Replica, content: Content, envoy: Subject) -> None:
    before = await envoy.history()

    await bridge.stop()
    bridge.recorder.events.clear()
    await bridge.start()
    await has_come_back(content, bridge)

    assert await envoy.history() == before
    assert sent(bridge, CLUSTER) == 0, "it holds them in this version"
    assert sent(bridge, ENDPOINT) == 3, "each once more"
    changed = content.endpoints(web=hosts(4))
    bridge.cache.set(changed.snapshot())
    await envoy.has(changed)


async def test_nothing_changes_when_another_bridge_with_the_same_content_takes_over(
    transport: Transport, content: Content, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(replica()) for _ in range(2)]
        one.cache.set(content.snapshot())
        for step in (content.without("web"), content.endpoints(web=hosts(9)), content):
            other.cache.set(step.snapshot())
        envoy = await stack.enter_async_context(subject(transport, [one.port, other.port], tmp_path))
        await envoy.has(content)
        before = await envoy.history()
        left, successor = (one, other) if one.asked(ENDPOINT) else (other, one)
        answered = sent(successor, CLUSTER)  # without ADS its streams are spread over both

        await left.stop()
        await has_come_back(content, successor)

        assert await envoy.history() == before
        assert sent(successor, CLUSTER) == answered, "it holds them in this version"
        assert await envoy.fetch_timeouts() == {}
        changed = content.endpoints(web=hosts(4)).template(web=LATER)
        successor.cache.set(changed.snapshot())
        await envoy.has(changed, web="7s")


async def test_an_envoy_without_clusters_comes_back_and_stays_without(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    nothing = content.without(*content.services)
    bridge.cache.set(nothing.snapshot())
    await envoy.has(nothing)
    before = await envoy.history()

    await bridge.stop()
    bridge.recorder.events.clear()
    await bridge.start()
    await eventually(lambda: bool(bridge.recorder.of("identified")), what="Envoy comes back")
    bridge.cache.set(content.snapshot())
    await envoy.has(content)

    kinds = [kind for kind, count in bridge.recorder.of("sent") if count]
    assert kinds[0] == CLUSTER.url, "no endpoints that nobody asked for"
    assert await envoy.stat("cluster_manager.cluster_removed") == before["cluster_manager.cluster_removed"]


async def test_what_changed_while_it_was_away_arrives_when_envoy_comes_back(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    before = await envoy.history()
    await bridge.stop()
    changed = content.template(web=LATER).endpoints(other=hosts(5, 6), new=hosts(7))
    bridge.cache.set(changed.snapshot())
    await bridge.start()

    await envoy.has(changed, web="7s")

    after = await envoy.history()
    assert after["cluster_manager.cluster_modified"] == before["cluster_manager.cluster_modified"] + 1
    assert after["cluster_manager.cluster_removed"] == before["cluster_manager.cluster_removed"]


async def test_a_cluster_removed_while_it_was_away_is_gone_when_envoy_comes_back(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    await bridge.stop()
    left = content.without("web")
    bridge.cache.set(left.snapshot())
    await bridge.start()

    await envoy.has(left)

    assert await envoy.stat("cluster_manager.cluster_removed") == 1
    assert await envoy.stat("cluster_manager.cluster_modified") == 0


async def test_an_envoy_that_comes_back_in_the_middle_of_warming_ends_it(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    changed = content.template(web=LATER)
    bridge.cache.set(changed.snapshot())
    await bridge.restart(CLUSTERS_ALONE)
    await envoy.warms("web")

    await bridge.restart()

    await envoy.has(changed, web="7s")


async def test_a_cluster_that_is_gone_when_envoy_comes_back_in_the_middle_of_warming_it(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    bridge.cache.set(content.endpoints(new=hosts(7)).template(web=LATER).snapshot())
    await bridge.restart(CLUSTERS_ALONE)
    await envoy.warms("new", "web")

    await bridge.stop()
    left = content.without("web")
    bridge.cache.set(left.snapshot())
    await bridge.start()

    await envoy.has(left)
