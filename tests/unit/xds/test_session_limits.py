"""What a session does with a client that sends too much, too fast, or does not read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryRequest

from support.memory_connection import MemoryConnection
from support.protobuf_fields import encode, text
from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_content import snapshot
from xds import CLUSTER, TYPES, Limits, Reason, SnapshotCache
from xds.codec import DeltaRequestDecoder
from xds.in_flight import SMALL, InFlight
from xds.ledger import Ledger
from xds.message import DeltaRequest
from xds.propagation import Propagation
from xds.session import Session
from xds.stream import Incremental, Stream
from xds.subscription import NameSets
from xds.surroundings import Surroundings

ASK = bytes(DeltaDiscoveryRequest(type_url=CLUSTER.url))
LARGE = snapshot({f"service-{number}": "" for number in range(3000)})


class Hall:
    """Sessions that share their surroundings."""

    def __init__(self, limits: Limits, clock: Callable[[], float] | None = None) -> None:
        clock = clock or asyncio.get_running_loop().time
        self.cache, self.recorder = SnapshotCache(), StreamRecorder()
        self.in_flight = InFlight(limits.in_flight, clock)
        self.ledger = Ledger(limits)
        self.shared = Surroundings(
            self.cache, self.recorder, Propagation(), clock, limits, self.in_flight, ledger=self.ledger
        )
        self.number = 0

    @contextlib.asynccontextmanager
    async def attended(self, *connections: MemoryConnection) -> AsyncIterator[list[Session[DeltaRequest]]]:
        """A running session for each connection."""
        sessions = [self._session(connection) for connection in connections]
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            for session in sessions:
                tasks.create_task(self._run(session))
            yield sessions
            for session in sessions:
                session.end()

    def _session(self, connection: MemoryConnection) -> Session[DeltaRequest]:
        self.number += 1
        stream = Stream(Incremental(NameSets()), TYPES, aggregated=True)
        return Session(self.number, stream, DeltaRequestDecoder(NameSets()), connection, self.shared)

    async def _run(self, session: Session[DeltaRequest]) -> None:
        with session:
            await session.run()


def connection(*requests: bytes, reads: bool = True) -> MemoryConnection:
    made = MemoryConnection()
    for request in requests:
        made.incoming.put_nowait(request)
    if not reads:
        made.may_write.clear()
    return made


async def test_a_request_that_is_too_large_ends_the_stream_with_a_reason() -> None:
    hall = Hall(Limits(request_size=1000))
    async with hall.attended(connection(ASK, ASK + bytes(1000))) as (session,):
        await eventually(lambda: session.refusal is not None)

    assert session.refusal is not None
    assert session.refusal.reason is Reason.REQUEST_SIZE
    assert "limits.request_size" in str(session.refusal)


async def test_a_client_that_asks_too_fast_is_read_later_and_told_of_once() -> None:
    hall = Hall(Limits(request_rate=100), lambda: 0.0)  # the time that reading takes is no pause
    flood = connection(*[ASK] * 2010)
    async with hall.attended(flood):
        await eventually(flood.incoming.empty)

    assert hall.recorder.of("slowed") == [("delta",)]


async def test_twenty_seconds_of_requests_may_come_at_once() -> None:
    hall = Hall(Limits(request_rate=100), lambda: 0.0)
    crowd = connection(*[ASK] * 2000)
    async with hall.attended(crowd):
        await eventually(crowd.incoming.empty)

    assert hall.recorder.of("slowed") == []


def names(number: int) -> bytes:
    """An incremental request with so many fields beside its type, which are all the same name."""
    return ASK + bytes(DeltaDiscoveryRequest(resource_names_subscribe=["n"])) * number


@pytest.mark.parametrize(("fields", "slowed"), [(900, []), (2000, [("delta",)])])
async def test_a_long_request_counts_as_several(fields: int, slowed: list[tuple[str]]) -> None:
    hall = Hall(Limits(request_rate=1), lambda: 0.0)
    ten = connection(*[names(fields)] * 10)
    async with hall.attended(ten):
        await eventually(lambda: ten.incoming.empty() or bool(hall.recorder.of("slowed")))

    assert hall.recorder.of("slowed") == slowed


async def test_a_node_of_61_kb_in_every_request_counts_for_nothing() -> None:
    hall = Hall(Limits(request_rate=1), lambda: 0.0)
    crowd = connection(*[ASK + encode([text(1, encode([text(6, "envoy" * 12_000)]))])] * 20)
    async with hall.attended(crowd):
        await eventually(crowd.incoming.empty)

    assert hall.recorder.of("slowed") == []


async def test_others_are_answered_while_long_requests_are_read() -> None:
    hall = Hall(Limits())
    hall.cache.set(snapshot({"a": ""}))
    hostile = [connection(names(90_000)) for _ in range(20)]
    async with hall.attended(*hostile) as sessions:
        await eventually(lambda: all(each.incoming.empty() for each in hostile))
        other = connection(ASK)
        async with hall.attended(other):
            await eventually(lambda: len(other.written) == 1)

            assert [session.node for session in sessions] == [None] * 20  # nothing has been read to its end yet


def strange(stream: int, number: int, *, claimed: bool = False) -> bytes:
    """A request for so many names that nobody else asks for, or that says that these are there already."""
    names = [f"strange-{stream}-{each}" for each in range(number)]
    versions = dict.fromkeys(names, "version") if claimed else {}
    asked = DeltaDiscoveryRequest(resource_names_subscribe=[] if claimed else names, initial_resource_versions=versions)
    return ASK + bytes(asked)


@pytest.mark.parametrize("claimed", [False, True])
async def test_strange_names_are_counted_over_the_streams_of_a_client(*, claimed: bool) -> None:
    hall = Hall(Limits(names_per_client=2500))
    many = [connection(strange(stream, 1000, claimed=claimed)) for stream in range(3)]
    async with hall.attended(*many, MemoryConnection("another")) as sessions:
        await eventually(lambda: any(session.refusal for session in sessions))

        assert [bool(session.refusal) for session in sessions] == [False, False, True, False]
        assert sessions[2].refusal
        assert sessions[2].refusal.reason is Reason.EXCESSIVE_REQUEST

    assert hall.ledger.names == 0


async def test_what_clients_say_they_hold_counts_until_the_first_answer() -> None:
    hall = Hall(Limits())
    async with hall.attended(connection(strange(1, 100, claimed=True))) as (session,):
        await eventually(lambda: hall.ledger.names == 100)
        hall.cache.set(snapshot({f"strange-1-{number}": "" for number in range(100)}))
        session.rouse(1, since=1.0)
        await eventually(lambda: hall.ledger.names == 0)


async def test_what_is_being_written_when_the_client_has_said_its_last_is_written() -> None:
    hall = Hall(Limits())
    hall.cache.set(snapshot({"a": ""}))
    slow = connection(ASK, reads=False)
    async with hall.attended(slow) as (session,):
        await eventually(lambda: session._writing_since is not None)
        slow.incoming.put_nowait(None)
        await eventually(lambda: session._finished)
        assert hall.recorder.of("closed") == []
        slow.may_write.set()
        await eventually(lambda: hall.recorder.of("closed") == [("delta",)])

    assert len(slow.written) == 1


async def test_a_large_response_waits_for_room_and_a_small_one_does_not() -> None:
    hall = Hall(Limits(in_flight=2 * SMALL))
    hall.cache.set(LARGE)
    stuck, next_one = connection(ASK, reads=False), connection(ASK)
    async with hall.attended(stuck, next_one, connection()):
        await eventually(lambda: hall.in_flight.waiting == 1)
        small = connection(bytes(DeltaDiscoveryRequest(type_url=CLUSTER.url, resource_names_subscribe=["service-1"])))
        async with hall.attended(small):
            await eventually(lambda: len(small.written) == 1)
            assert next_one.written == []
        stuck.may_write.set()
        await eventually(lambda: len(next_one.written) == 1)

    assert len(next_one.written[0]) > SMALL
    assert hall.in_flight.used == 0


async def test_stuck_clients_cost_others_a_second_and_the_slowest_its_stream() -> None:
    hall = Hall(Limits(in_flight=SMALL))  # one large response has it to itself
    hall.cache.set(LARGE)
    stuck = [connection(ASK, reads=False) for _ in range(2)]
    async with hall.attended(*stuck) as sessions:
        await eventually(lambda: sessions[0]._writing_since is not None and hall.in_flight.waiting == 1)
        healthy = connection(ASK)
        async with hall.attended(healthy):
            await eventually(lambda: len(healthy.written) == 1)

        assert hall.recorder.of("stalled") == [("delta",)]
        assert [session._ended for session in sessions] == [True, False]

    assert hall.in_flight.used == 0


@pytest.mark.parametrize("reads", [True, False])
async def test_a_session_that_ends_leaves_no_claim_on_room(*, reads: bool) -> None:
    hall = Hall(Limits(in_flight=SMALL))
    hall.cache.set(LARGE)
    async with hall.attended(connection(ASK, reads=reads), connection(ASK, reads=False)):
        await eventually(lambda: hall.in_flight.used > 0)

    assert (hall.in_flight.used, hall.in_flight.waiting) == (0, 0)
