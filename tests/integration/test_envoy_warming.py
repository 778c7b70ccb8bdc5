"""New and changed clusters of a real Envoy are in effect at once: it never waits for endpoints until it gives up.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-warming
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.backends import Backends, backends
from support.envoy_content import Content, hosts
from support.load import Load
from support.replica import Replica
from support.subject import Subject, subject
from support.transports import Transport
from xds import CLUSTER, ENDPOINT

LATER = {"connect_timeout": "7s"}


@pytest.fixture
async def running() -> AsyncIterator[Backends]:
    async with backends("a", "b") as started:
        yield started


@pytest.fixture
def content(transport: Transport, running: Backends) -> Content:
    return Content(transport, {"web": [running.endpoint("a")], "other": hosts(1)})


@pytest.fixture
async def envoy(transport: Transport, bridge: Replica, content: Content, tmp_path: Path) -> AsyncIterator[Subject]:
    bridge.cache.set(content.snapshot())
    async with subject(transport, [bridge.port], tmp_path) as started:
        yield started
        assert await started.fetch_timeouts() == {}
        assert bridge.recorder.of("nacked") == []
        assert bridge.recorder.of("unanswered") == []


async def test_a_change_of_endpoints_arrives_under_load(
    bridge: Replica, content: Content, envoy: Subject, running: Backends
) -> None:
    async with Load(envoy.url) as load:
        await load.more(20)

        changed = content.endpoints(web=[running.endpoint("b")])
        bridge.cache.set(changed.snapshot())
        await envoy.has(changed)
        await load.more(load.workers)  # what was under way before
        load.answers.clear()
        await load.more(20)

    assert load.failures == []
    assert set(load.answers) == {"b"}
    assert await envoy.stat("cluster_manager.cluster_modified") == 0


async def test_a_changed_cluster_with_unchanged_endpoints_is_in_effect_under_load(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    async with Load(envoy.url) as load:
        await load.more(20)
        before = len(bridge.recorder.of("sent"))

        bridge.cache.set(content.template(web=LATER).snapshot())
        await envoy.has(content, web="7s")
        await load.more(20)

    sent = [(kind, count) for kind, count in bridge.recorder.of("sent")[before:]]
    assert load.failures == []
    assert set(load.answers) == {"a"}
    assert [kind for kind, _ in sent] == [CLUSTER.url, ENDPOINT.url]
    assert sent[1] == (ENDPOINT.url, 1), "the endpoints of the changed cluster alone, again"
    assert await envoy.stat("cluster_manager.cluster_modified") == 1


async def test_clusters_changed_again_while_they_warm_are_in_effect_in_the_end(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    for seconds in range(2, 30):
        bridge.cache.set(content.template(web={"connect_timeout": f"{seconds}s"}).snapshot())
        if seconds % 5 == 0:
            await envoy.stat("cluster_manager.warming_clusters")  # lets Envoy and the server talk

    await envoy.has(content, web="29s")


async def test_a_later_cluster_with_the_same_endpoints_as_another_is_warm(
    bridge: Replica, transport: Transport, envoy: Subject
) -> None:
    first = Content(transport, {"one": hosts(1, 2)})
    bridge.cache.set(first.snapshot())
    await envoy.has(first)

    both = Content(transport, {"one": hosts(1, 2), "two": []}, shared={"two": "one"})
    bridge.cache.set(both.snapshot())
    await envoy.has(both)

    moved = both.endpoints(one=hosts(3))
    bridge.cache.set(moved.snapshot())
    await envoy.has(moved)


async def test_one_of_two_clusters_with_the_same_endpoints_is_changed_and_removed(
    bridge: Replica, transport: Transport, envoy: Subject
) -> None:
    both = Content(transport, {"one": hosts(1, 2), "two": []}, shared={"two": "one"})
    bridge.cache.set(both.snapshot())
    await envoy.has(both)

    bridge.cache.set(both.template(two=LATER).snapshot())
    await envoy.has(both, two="7s")

    left = both.without("two").endpoints(one=hosts(2, 3))
    bridge.cache.set(left.snapshot())
    await envoy.has(left)


async def test_a_cluster_removed_and_added_again_in_one_burst_is_warm(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    bridge.cache.set(content.without("web", "other").snapshot())
    bridge.cache.set(content.template(web=LATER).snapshot())

    await envoy.has(content, web="7s")


async def test_a_cluster_removed_and_added_again_before_envoy_reacts_is_warm(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    envoy.envoy.pause()
    before = len(bridge.recorder.of("sent"))
    bridge.cache.set(content.without("web", "other").snapshot())
    await bridge.sends(before + 1)
    bridge.cache.set(content.template(web=LATER).snapshot())
    envoy.envoy.resume()

    await envoy.has(content, web="7s")
    assert await envoy.stat("cluster_manager.cluster_removed") == 2


async def test_a_cluster_removed_and_later_added_again_is_warm(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    for _ in range(2):
        bridge.cache.set(content.without("web").snapshot())
        await envoy.has(content.without("web"))
        bridge.cache.set(content.snapshot())
        await envoy.has(content)


async def test_the_last_cluster_removed_and_later_added_again_is_warm(
    bridge: Replica, content: Content, envoy: Subject
) -> None:
    bridge.cache.set(content.without("web", "other").snapshot())
    await envoy.has(content.without("web", "other"))

    bridge.cache.set(content.snapshot())
    await envoy.has(content)
