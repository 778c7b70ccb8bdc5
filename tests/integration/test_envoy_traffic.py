"""No request through a real Envoy fails while its clusters, their endpoints or the bridge itself are replaced."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.backends import Backends, backends
from support.envoy_content import Content
from support.load import Load
from support.replica import Replica, replica
from support.subject import subject
from support.transports import Transport
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT

each_transport = pytest.mark.parametrize("transport", list(Transport))


@pytest.fixture
async def running() -> AsyncIterator[Backends]:
    async with backends("a", "b", "c", "d") as started:
        yield started


@pytest.fixture
def content(transport: Transport, running: Backends) -> Content:
    return Content(transport, {"web": [running.endpoint("a"), running.endpoint("b")]})


@each_transport
async def test_no_request_fails_while_a_cluster_changes_and_all_its_endpoints_are_replaced(
    content: Content, running: Backends, tmp_path: Path
) -> None:
    async with replica() as bridge:
        bridge.cache.set(content.snapshot())
        async with subject(content.transport, [bridge.port], tmp_path) as envoy, Load(envoy.url) as load:
            for number, names in enumerate(("ab", "cd", "ac", "bd"), 2):
                await load.more(20)
                content = content.endpoints(web=[running.endpoint(name) for name in names])
                content = content.template(web={"connect_timeout": f"{number}s"})
                bridge.cache.set(content.snapshot())
                await envoy.has(content, web=f"{number}s")
            await load.more(load.workers)  # what was under way before
            load.answers.clear()
            await load.more(20)
            assert await envoy.fetch_timeouts() == {}

    assert load.failures == []
    assert set(load.answers) == {"b", "d"}


@each_transport
async def test_no_request_fails_while_one_bridge_takes_over_from_another(
    content: Content, running: Backends, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(replica()) for _ in range(2)]
        publish(content, one, other)
        envoy = await stack.enter_async_context(subject(content.transport, [one.port, other.port], tmp_path))
        load = await stack.enter_async_context(Load(envoy.url))
        await load.more(20)
        before = await envoy.history()
        left, successor = (one, other) if one.asked(CLUSTER) else (other, one)

        await left.stop()
        await eventually(lambda: successor.asked(CLUSTER) and bool(successor.taken(ENDPOINT)), what="Envoy comes back")
        await load.more(20)
        after = await envoy.history()
        changed = content.endpoints(web=[running.endpoint("c"), running.endpoint("d")])
        publish(changed, successor)
        await envoy.has(changed)
        await load.more(20)

    assert load.failures == []
    assert before == after
    assert set(load.answers) == {"a", "b", "c", "d"}


def publish(content: Content, *bridges: Replica) -> None:
    for each in bridges:
        each.cache.set(content.snapshot())
