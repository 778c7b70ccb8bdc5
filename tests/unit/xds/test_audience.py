import asyncio
import contextlib

import pytest
from envoy_data_plane.envoy.config.core.v3 import Node as ProtobufNode
from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryRequest
from envoy_data_plane.google.protobuf import Struct, Value

from support.memory_connection import MemoryConnection
from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_content import snapshot
from xds import CLUSTER, TYPES, Client, Reason, Refused, SnapshotCache
from xds.audience import AnySession, Audience
from xds.cache import Generation
from xds.codec import DeltaRequestDecoder
from xds.propagation import Propagation
from xds.session import Session
from xds.stream import Incremental, Stream
from xds.subscription import NameSets
from xds.surroundings import Surroundings


class BrokenCache(SnapshotCache):
    """A cache with a bug that shows later."""

    broken = False

    @property
    def generation(self) -> Generation | None:
        if self.broken:
            raise ZeroDivisionError("a bug")
        return super().generation


class Hall:
    """An audience of one, at least."""

    def __init__(self, cache: SnapshotCache) -> None:
        self.cache, self.recorder, self.connection = cache, StreamRecorder(), MemoryConnection()
        self._shared = Surroundings(cache, self.recorder, Propagation(), lambda: 0.0)
        self.audience = Audience(self._shared, patience=30.0)
        self.session = self.another()

    def another(self) -> AnySession:
        stream = Stream(Incremental(NameSets()), TYPES, aggregated=False)
        number, decoder = self.audience.next_number(), DeltaRequestDecoder(NameSets())
        return Session(number, stream, decoder, self.connection, self._shared)

    async def attend(self) -> None:
        with self.audience.holding(self.session):
            await self.session.run()


def test_numbers_of_sessions_are_never_given_twice() -> None:
    audience = Hall(SnapshotCache()).audience

    assert len({audience.next_number() for _ in range(100)}) == 100


async def test_changes_reach_whoever_is_there_and_nobody_after_the_dismissal() -> None:
    hall = Hall(SnapshotCache())
    hall.cache.set(snapshot({"a": ""}))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        telling, _ = tasks.create_task(hall.audience.run()), tasks.create_task(hall.attend())
        hall.connection.incoming.put_nowait(b"")
        await eventually(lambda: len(hall.connection.written) == 1)
        hall.connection.incoming.put_nowait(b"\x32\x051.0.0")  # DeltaDiscoveryRequest.response_nonce
        await eventually(lambda: hall.recorder.of("acked") != [])

        hall.cache.set(snapshot({"a": "new"}))
        await eventually(lambda: len(hall.connection.written) == 2)
        hall.audience.dismiss()
        hall.cache.set(snapshot({"a": "newer"}))
        telling.cancel()

    assert [type_url for type_url, _ in hall.recorder.of("sent")] == [CLUSTER.url] * 2
    assert [*hall.audience.streams()] == []


async def test_many_streams_are_looked_after_by_turns_and_those_that_end_meanwhile_no_more() -> None:
    hall, checked = Hall(SnapshotCache()), list[int]()
    with contextlib.ExitStack() as present:
        for _ in range(1000):
            present.enter_context(hall.audience.holding(hall.another()))
        async for session in hall.audience._by_turns():
            checked.append(session.id)
            if len(checked) == 1:
                asyncio.get_running_loop().call_soon(present.close)

    assert 1 < len(checked) < 1000


async def test_a_bug_in_telling_the_sessions_ends_the_audience() -> None:
    cache = BrokenCache()
    cache.set(snapshot({"a": ""}))
    hall = Hall(cache)
    hall.connection.incoming.put_nowait(b"")
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(hall.attend())
        await eventually(lambda: len(hall.connection.written) == 1)
        cache.broken = True

        hall.audience._notice(2)
        with pytest.raises(ExceptionGroup):
            await hall.audience.run()
        hall.audience.dismiss()


class Doors(SnapshotCache):
    """Views that a test changes: whoever comes sees `seen`."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: SnapshotCache | None = self
        self.asked: list[Client] = []

    def view(self, client: Client) -> SnapshotCache:
        self.asked.append(client)
        if self.seen is None:
            raise Refused(Reason.NO_VIEW, "no view")
        return self.seen


async def attended(doors: Doors, *, metadata: int = 0) -> tuple[Hall, "asyncio.Task[None]"]:
    """A session whose client has been introduced, with so many characters of metadata."""
    hall = Hall(doors)
    doors.set(snapshot({"a": ""}))
    task = asyncio.create_task(hall.attend())
    value = Value(string_value="x" * metadata)
    node = ProtobufNode(id="envoy-1", metadata=Struct(fields={"role": value}))
    hall.connection.incoming.put_nowait(bytes(DeltaDiscoveryRequest(type_url=CLUSTER.url, node=node)))
    await eventually(lambda: len(hall.connection.written) == 1)
    return hall, task


async def test_a_client_that_is_to_see_the_same_view_stays() -> None:
    hall, task = await attended(doors := Doors(), metadata=100)

    await hall.audience.reconsider()

    assert doors.asked[0] == doors.asked[1]
    assert list(hall.audience.clients()) == doors.asked[:1]
    assert not task.done()
    hall.audience.dismiss()
    await task


async def test_a_client_that_is_to_see_another_view_is_sent_to_come_back() -> None:
    hall, task = await attended(doors := Doors())

    doors.seen = SnapshotCache()
    await hall.audience.reconsider()
    await task

    assert hall.session.refusal is None


async def test_a_client_that_is_to_see_nothing_any_more_is_told() -> None:
    hall, task = await attended(doors := Doors())

    doors.seen = None
    await hall.audience.reconsider()
    await task

    assert hall.session.refusal is not None
    assert hall.session.refusal.reason is Reason.NO_VIEW


async def test_a_client_with_too_much_to_say_is_not_remembered_and_has_to_say_it_again() -> None:
    hall, task = await attended(Doors(), metadata=5000)

    assert list(hall.audience.clients()) == []
    await hall.audience.reconsider()

    await task


async def test_a_client_that_has_said_nothing_yet_is_left_alone() -> None:
    hall = Hall(SnapshotCache())
    task = asyncio.create_task(hall.attend())
    await eventually(lambda: len([*hall.audience.streams()]) == 1)

    await hall.audience.reconsider()

    assert not task.done()
    hall.audience.dismiss()
    await task
