"""An Envoy that is frozen while much changes gets the newest when it goes on, and nobody else waits for it."""

from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from envoy_data_plane.envoy.config.core.v3 import Address, SocketAddress
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints

from bridge.bootstrap import ApiType
from support.builders import endpoint
from support.envoy_content import Content
from support.replica import Replica, replica
from support.subject import Subject, subject
from support.transports import Transport
from support.xds_client import Transport as RawTransport
from support.xds_client import connected
from xds import ENDPOINT, ObservedStream, Resource, Snapshot, StreamObserver, content_version

UPDATES = 300
ENDPOINTS = 1000
"""Of one service: more than 50 KB."""


class Counting(StreamObserver):
    """Counts responses with endpoints by the node they were written to."""

    def __init__(self) -> None:
        self.sent_to: dict[str, int] = defaultdict(int)
        self.largest = 0

    def sent(self, stream: ObservedStream, type_url: str, resources: int, size: int) -> None:
        if stream.node and type_url == ENDPOINT.url:
            self.sent_to[stream.node.id] += 1
            self.largest = max(self.largest, size)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
async def bridge(counting: Counting) -> AsyncIterator[Replica]:
    async with replica(counting) as started:
        yield started


@pytest.fixture
def content(transport: Transport) -> Content:
    others = [
        endpoint(f"10.1.{index // 250}.{index % 250}", metadata={"instance": f"i-{index:012}"})
        for index in range(ENDPOINTS)
    ]
    return Content(transport, {"web": others})


@pytest.fixture
async def envoy(transport: Transport, bridge: Replica, content: Content, tmp_path: Path) -> AsyncIterator[Subject]:
    bridge.cache.set(content.snapshot())
    async with subject(transport, [bridge.port], tmp_path, node="frozen") as started:
        await started.has(content)
        yield started


def updates(content: Content) -> list[Snapshot]:
    """Changes of one endpoint among many, which differ in its port."""
    before = content.snapshot()
    body = before.resources(ENDPOINT.url)["web"].body
    return [before.replace(ENDPOINT.url, [_with_one_more(body, 1 + number)]) for number in range(UPDATES)]


def _with_one_more(body: bytes, port: int) -> Resource:
    address = Address(socket_address=SocketAddress(address="10.2.0.1", port_value=port))
    one_more = LocalityLbEndpoints(lb_endpoints=[LbEndpoint(endpoint=Endpoint(address=address))])
    merged = body + bytes(ClusterLoadAssignment(endpoints=[one_more]))  # what follows in the encoding is merged
    return Resource("web", merged, content_version(merged))


async def test_it_gets_the_newest_with_few_responses_and_others_see_every_change(
    bridge: Replica, content: Content, envoy: Subject, counting: Counting, transport: Transport
) -> None:
    raw = RawTransport(delta=transport.api_type == ApiType.DELTA_GRPC, aggregated=not transport.separate)
    async with connected(bridge.port, raw, node="awake") as other:
        await other.subscribe(ENDPOINT, ["web"])
        await other.accept(ENDPOINT)
        envoy.envoy.pause()
        before = counting.sent_to["frozen"]

        seen = set()
        for update in updates(content):
            bridge.cache.set(update)
            seen.add((await other.accept(ENDPOINT)).version)
        while_frozen = counting.sent_to["frozen"] - before
        windows = 1 + len(bridge.recorder.of("unanswered"))
        envoy.envoy.resume()
        newest = content.endpoints(web=[*content.services["web"], endpoint("10.2.0.1", UPDATES)])
        await envoy.has(newest)

    assert len(seen) == UPDATES
    assert counting.largest > 50_000
    assert 1 <= while_frozen <= windows, "one response without an answer at a time"
    assert counting.sent_to["frozen"] - before <= while_frozen + 2, "the newest, once more if it had to come back"
