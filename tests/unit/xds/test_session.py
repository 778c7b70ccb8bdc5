import asyncio
from collections.abc import AsyncIterator

import pytest
from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryRequest
from envoy_data_plane.google.rpc import Status

from support.memory_connection import MemoryConnection
from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_content import snapshot
from xds import CLUSTER, TYPES, Client, Node, Reason, Refused, SnapshotCache
from xds.codec import DeltaRequestDecoder
from xds.message import DeltaRequest
from xds.propagation import Propagation
from xds.session import Disconnected, Session
from xds.stream import Incremental, Stream
from xds.subscription import NameSets
from xds.surroundings import Surroundings


class Bench:
    """A session that runs, and everything around it."""

    def __init__(self, cache: SnapshotCache | None = None) -> None:
        self.now = 0.0
        self.cache = cache or SnapshotCache()
        self.cache.set(snapshot({"a": ""}))
        self.recorder = StreamRecorder()
        self.connection = MemoryConnection()
        self.propagation = Propagation()
        surroundings = Surroundings(self.cache, self.recorder, self.propagation, lambda: self.now)
        stream = Stream(Incremental(NameSets()), TYPES, aggregated=True)
        self.session: Session[DeltaRequest] = Session(
            1, stream, DeltaRequestDecoder(NameSets()), self.connection, surroundings
        )

    async def run(self) -> None:
        with self.session:
            await self.session.run()

    def ask_for_clusters(self) -> None:
        self.connection.incoming.put_nowait(bytes(DeltaDiscoveryRequest(type_url=CLUSTER.url)))

    def answer(self, nonce: str, error: Status | None = None) -> None:
        request = DeltaDiscoveryRequest(type_url=CLUSTER.url, response_nonce=nonce, error_detail=error)
        self.connection.incoming.put_nowait(bytes(request))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.session.end()


async def test_a_request_is_answered_and_reported(bench: Bench) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.run())
        bench.ask_for_clusters()
        await eventually(lambda: len(bench.connection.written) == 1)
        bench.connection.incoming.put_nowait(None)

    assert [name for name, *_ in bench.recorder.events] == ["opened", "identified", "sent", "closed"]


async def test_bytes_that_are_no_request_end_the_session_with_a_reason(bench: Bench) -> None:
    bench.connection.incoming.put_nowait(b"\xff")

    await bench.run()

    assert bench.session.refusal is not None
    assert bench.session.refusal.reason is Reason.INVALID_REQUEST
    assert bench.recorder.failures == []


async def test_a_client_that_is_gone_while_we_write_is_no_failure(bench: Bench) -> None:
    bench.connection.broken = Disconnected()
    bench.ask_for_clusters()

    await bench.run()

    assert bench.recorder.failures == []
    assert bench.recorder.of("closed") == [("delta",)]


async def test_a_bug_in_the_writer_ends_the_whole_session_and_is_reported(bench: Bench) -> None:
    bench.connection.broken = ZeroDivisionError("a bug")
    bench.ask_for_clusters()

    with pytest.raises(ExceptionGroup):
        await bench.run()

    assert len(bench.recorder.failures) == 1
    assert bench.recorder.of("closed") == [("delta",)]


async def test_a_client_that_does_not_read_is_given_up(bench: Bench) -> None:
    bench.connection.may_write.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.run())
        bench.ask_for_clusters()
        await eventually(lambda: bench.session._writing_since is not None)

        bench.session.check(29.0, patience=30.0)
        assert bench.recorder.of("stalled") == []
        bench.session.check(31.0, patience=30.0)

    assert bench.recorder.of("stalled") == [("delta",)]
    assert bench.recorder.of("closed") == [("delta",)]


async def test_an_overdue_answer_is_counted_and_not_waited_for(bench: Bench) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.run())
        bench.ask_for_clusters()
        await eventually(lambda: len(bench.connection.written) == 1)
        bench.cache.set(snapshot({"a": "new"}))
        bench.session.rouse(2, since=1.0)
        bench.now = 6.0
        bench.session.check(bench.now, patience=30.0)
        await eventually(lambda: len(bench.connection.written) == 2)
        bench.session.end()

    assert bench.recorder.of("unanswered") == [(CLUSTER.url,)]


async def test_a_client_is_told_of_a_new_generation_once_and_how_long_it_waited_for_its_turn(bench: Bench) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.run())
        bench.ask_for_clusters()
        await eventually(lambda: len(bench.connection.written) == 1)
        first = bench.recorder.of("begun")
        bench.answer("1.0.0")
        await eventually(lambda: len(bench.recorder.of("acked")) == 1)
        bench.cache.set(snapshot({"a": "new"}))
        bench.session.rouse(2, since=1.0)
        bench.now = 1.5
        await eventually(lambda: len(bench.connection.written) == 2)
        bench.session.end()

    assert first == []
    assert bench.recorder.of("begun") == [(0.5,)]


async def test_a_rejected_change_is_none_that_arrived(bench: Bench) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.run())
        bench.ask_for_clusters()
        await eventually(lambda: len(bench.connection.written) == 1)
        bench.answer("1.0.0")
        await eventually(lambda: len(bench.recorder.of("acked")) == 1)
        bench.propagation.begin(2, now=0.0)
        bench.cache.set(snapshot({"a": "bad"}))
        bench.session.rouse(2, since=1.0)
        bench.propagation.told_all(2, now=0.0)
        await eventually(lambda: len(bench.connection.written) == 2)
        bench.answer("2.0.0", Status(message="no"))
        await eventually(lambda: len(bench.recorder.of("nacked")) == 1)
        bench.session.end()

    assert bench.recorder.of("settled") == []


async def test_a_client_that_never_answers_does_not_hide_when_the_others_have(bench: Bench) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.run())
        bench.ask_for_clusters()
        await eventually(lambda: len(bench.connection.written) == 1)
        bench.propagation.begin(2, now=0.0)
        bench.propagation.expect(2, stream=99)
        bench.cache.set(snapshot({"a": "new"}))
        bench.session.rouse(2, since=1.0)
        bench.propagation.told_all(2, now=0.0)
        bench.propagation.answered(99, now=1.0)
        before = list(bench.recorder.of("settled"))
        bench.session.check(6.0, patience=30.0)
        overdue = list(bench.recorder.of("settled"))
        bench.session.end()

    assert before == []
    assert overdue == [(2,)]


async def test_a_session_that_was_ended_before_it_ran_does_not_run(bench: Bench) -> None:
    bench.session.end()

    await bench.run()

    assert [name for name, *_ in bench.recorder.events] == ["opened", "closed"]


async def test_the_node_of_the_first_request_stays(bench: Bench) -> None:
    for number in ("1", "2"):
        node = b"\x0a\x03\x0a\x01" + number.encode()  # DeltaDiscoveryRequest.node with Node.id
        bench.connection.incoming.put_nowait(node + bytes(DeltaDiscoveryRequest(type_url=CLUSTER.url)))
    bench.connection.incoming.put_nowait(None)

    await bench.run()

    assert bench.session.node is not None
    assert bench.session.node.id == "1"
    assert len(bench.recorder.of("identified")) == 1


async def test_the_first_request_decides_what_a_client_may_see() -> None:
    asked = list[Client]()

    class Nobody(SnapshotCache):
        def view(self, client: Client) -> SnapshotCache:
            asked.append(client)
            raise Refused(Reason.NO_VIEW, "nothing for you")

    bench = Bench(Nobody())
    node = b"\x0a\x06\x0a\x04edge"  # DeltaDiscoveryRequest.node with Node.id
    for _ in range(2):
        bench.connection.incoming.put_nowait(node + bytes(DeltaDiscoveryRequest(type_url=CLUSTER.url)))

    await bench.run()

    assert asked == [Client(Node("edge"), "memory", ("spiffe://tests/envoy",))]
    assert bench.session.refusal is not None
    assert bench.session.refusal.reason is Reason.NO_VIEW
    assert bench.connection.written == []
