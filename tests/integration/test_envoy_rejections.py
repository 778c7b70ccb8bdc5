"""One thing that a real Envoy refuses, among many good ones: these get through, and it does too once repaired.

What was refused alone is not sent again. A fence shows it: a later change is all that comes.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.envoy_content import BAD_TEMPLATE, Bad, Content, hosts
from support.replica import Replica
from support.subject import Subject, subject
from support.tcp_proxy import TcpProxy, tcp_proxy
from support.transports import Transport
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT, SnapshotCache

GOOD = [f"s{number:02}" for number in range(8)]
REFUSED = "s04-refused"


EACH_WAY = [(transport, Bad.UNREAD) for transport in Transport] + [
    (transport, Bad.LATE) for transport in Transport if not transport.separate
]

each_transport = pytest.mark.parametrize("transport", list(Transport))
each_way = pytest.mark.parametrize(("transport", "bad"), EACH_WAY)


@pytest.fixture
def good(transport: Transport) -> Content:
    return Content(transport, {name: hosts(number) for number, name in enumerate(GOOD, 1)})


@pytest.fixture
async def proxy(bridge: Replica) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(bridge.port) as started:
        yield started


@pytest.fixture
async def envoy(
    transport: Transport, bridge: Replica, proxy: TcpProxy, good: Content, tmp_path: Path
) -> AsyncIterator[Subject]:
    bridge.cache.set(good.snapshot())
    async with subject(transport, [proxy.port], tmp_path) as started:
        await started.has(good)
        yield started


async def rests(bridge: Replica, envoy: Subject, content: Content, expected: Content) -> None:
    """Once all is said, a later change is one response and nothing else, though `content` has something bad in it."""
    await come_to_rest(bridge, envoy)
    for fence in (hosts(101), hosts(102)):
        before = len(bridge.recorder.of("sent"))
        bridge.cache.set(content.endpoints(s00=fence).snapshot())
        await envoy.has(expected.endpoints(s00=fence))
        await come_to_rest(bridge, envoy)
        assert bridge.recorder.of("sent")[before:] == [(ENDPOINT.url, 1)]


async def come_to_rest(bridge: Replica, envoy: Subject) -> None:
    """Wait until neither side says anything while Envoy's main thread answers ten times."""
    heard, quiet = 0, 0
    while quiet < 10:
        await envoy.warming()
        quiet = quiet + 1 if len(bridge.recorder.events) == heard else 0
        heard = len(bridge.recorder.events)


def refusals(bridge: Replica) -> Counter[object]:
    return Counter(kind for kind, *_ in bridge.recorder.of("nacked"))


@each_way
async def test_a_fresh_envoy_gets_the_good_clusters_and_later_the_repaired_one(
    bridge: Replica, transport: Transport, good: Content, bad: Bad, tmp_path: Path
) -> None:
    everything = good.endpoints(**{REFUSED: hosts(50)})
    refused = everything.template(**{REFUSED: BAD_TEMPLATE[bad]})
    bridge.cache.set(refused.snapshot())

    async with subject(transport, [bridge.port], tmp_path) as envoy:
        await envoy.has(good)
        await rests(bridge, envoy, refused, good)
        assert 1 <= refusals(bridge)[CLUSTER.url] <= 6, "it is found by halving"
        bridge.cache.set(everything.snapshot())
        await envoy.has(everything)
        assert await envoy.fetch_timeouts() == {}

    assert refusals(bridge).keys() == {CLUSTER.url}


@each_way
async def test_an_envoy_with_clusters_keeps_them_and_gets_all_but_the_refused_one(
    bridge: Replica, good: Content, envoy: Subject, bad: Bad
) -> None:
    more = good.endpoints(new=hosts(60))
    everything = more.endpoints(**{REFUSED: hosts(50)})
    refused = everything.template(**{REFUSED: BAD_TEMPLATE[bad]})

    bridge.cache.set(refused.snapshot())
    await envoy.has(more)
    await rests(bridge, envoy, refused, more)
    removed = await envoy.stat("cluster_manager.cluster_removed")
    bridge.cache.set(everything.snapshot())
    await envoy.has(everything)

    assert refusals(bridge).keys() == {CLUSTER.url}
    assert removed <= (bad is Bad.LATE), "of those it had for longer than the search took"
    assert await envoy.fetch_timeouts() == {}


@each_way
async def test_a_cluster_that_turns_bad_stays_what_it_was_beside_those_that_change(
    bridge: Replica, good: Content, envoy: Subject, bad: Bad
) -> None:
    changed = good.template(s01={"connect_timeout": "7s"}).without("s02")
    refused = changed.template(s03=BAD_TEMPLATE[bad])

    bridge.cache.set(refused.snapshot())
    await envoy.has(changed, s01="7s")
    await rests(bridge, envoy, refused, changed)
    repaired = changed.template(s03={"connect_timeout": "8s"})
    bridge.cache.set(repaired.snapshot())
    await envoy.has(repaired, s01="7s", s03="8s")

    assert await envoy.stat("cluster_manager.cluster_removed") == 1
    assert await envoy.fetch_timeouts() == {}


@each_way
async def test_a_fresh_envoy_gets_good_endpoints_beside_bad_ones(
    bridge: Replica, transport: Transport, good: Content, bad: Bad, tmp_path: Path
) -> None:
    refused = replace(good, bad_assignments={"s04": bad})
    bridge.cache.set(refused.snapshot())

    async with subject(transport, [bridge.port], tmp_path, wait_ready=False) as envoy:
        await eventually(lambda: bool(bridge.recorder.of("nacked")), what="Envoy refuses them")
        await envoy.endpoints_are(good.endpoints(s04=[]))
        bridge.cache.set(good.snapshot())
        await envoy.has(good)

    assert refusals(bridge).keys() == {ENDPOINT.url}
    assert refusals(bridge)[ENDPOINT.url] <= 6


@each_way
async def test_good_endpoints_change_beside_bad_ones_which_change_nothing(
    bridge: Replica, good: Content, envoy: Subject, bad: Bad
) -> None:
    changed = good.endpoints(s01=hosts(61), s06=hosts(62))
    refused = replace(changed, bad_assignments={"s04": bad})

    bridge.cache.set(refused.snapshot())
    await envoy.has(changed)
    await rests(bridge, envoy, refused, changed)
    bridge.cache.set(changed.endpoints(s04=hosts(63)).snapshot())
    await envoy.has(changed.endpoints(s04=hosts(63)))

    assert refusals(bridge).keys() == {ENDPOINT.url}
    assert await envoy.stat("cluster_manager.cluster_modified") == 0


@each_transport
async def test_an_envoy_that_comes_back_gets_changes_beside_a_new_cluster_that_it_refuses(
    bridge: Replica, proxy: TcpProxy, good: Content, envoy: Subject
) -> None:
    refused = good.endpoints(**{REFUSED: hosts(50)}).template(**{REFUSED: BAD_TEMPLATE[Bad.UNREAD]})
    bridge.cache.set(refused.snapshot())
    await eventually(lambda: bool(bridge.recorder.of("nacked")), what="Envoy refuses it")

    await proxy.cut()
    changed = good.template(s01={"connect_timeout": "7s"}).without("s02").endpoints(new=hosts(60))
    bridge.cache.set(
        replace(refused, services={**changed.services, REFUSED: []}).template(**changed.templates).snapshot()
    )

    await envoy.has(changed, s01="7s")
    assert await envoy.stat("cluster_manager.cluster_removed") == 1


@each_transport
async def test_an_envoy_that_comes_back_gets_changes_beside_a_cluster_that_turned_bad(
    bridge: Replica, proxy: TcpProxy, good: Content, envoy: Subject
) -> None:
    refused = good.template(s03=BAD_TEMPLATE[Bad.UNREAD])
    bridge.cache.set(refused.snapshot())
    await eventually(lambda: bool(bridge.recorder.of("nacked")), what="Envoy refuses it")

    await proxy.cut()
    changed = good.template(s01={"connect_timeout": "7s"}).without("s02").endpoints(new=hosts(60))
    bridge.cache.set(changed.template(s03=BAD_TEMPLATE[Bad.UNREAD]).snapshot())

    await envoy.has(changed, s01="7s")
    assert await envoy.stat("cluster_manager.cluster_removed") == 1


@each_transport
async def test_a_bridge_that_knows_nothing_of_an_envoy_finds_the_one_new_cluster_that_it_refuses(
    bridge: Replica, good: Content, envoy: Subject
) -> None:
    refused = good.endpoints(**{REFUSED: hosts(50)}).template(**{REFUSED: BAD_TEMPLATE[Bad.UNREAD]})
    await bridge.stop()
    bridge.cache = SnapshotCache()
    bridge.cache.set(refused.snapshot())
    await bridge.start()
    await eventually(lambda: bool(bridge.recorder.of("nacked")), what="Envoy refuses it")

    changed = good.template(s01={"connect_timeout": "7s"}).without("s02").endpoints(new=hosts(60))
    bridge.cache.set(
        replace(refused, services={**changed.services, REFUSED: []}).template(**changed.templates).snapshot()
    )

    await envoy.has(changed, s01="7s")
    assert await envoy.stat("cluster_manager.cluster_removed") == 1


@each_transport
async def test_a_bridge_that_knows_nothing_of_an_envoy_takes_no_cluster_from_it(
    bridge: Replica, good: Content, envoy: Subject
) -> None:
    refused = good.template(s01={"connect_timeout": "7s"}, s03=BAD_TEMPLATE[Bad.UNREAD])
    await bridge.stop()
    bridge.cache = SnapshotCache()
    bridge.cache.set(refused.snapshot())
    await bridge.start()
    await eventually(lambda: bool(bridge.recorder.of("nacked")), what="Envoy refuses it")

    bridge.cache.set(refused.endpoints(s01=hosts(61)).snapshot())
    await envoy.has(good.endpoints(s01=hosts(61)))
    assert await envoy.stat("cluster_manager.cluster_removed") == 0

    repaired = refused.template(s03={}).endpoints(s01=hosts(62))
    bridge.cache.set(repaired.snapshot())
    await envoy.has(repaired, s01="7s")
    assert await envoy.fetch_timeouts() == {}
