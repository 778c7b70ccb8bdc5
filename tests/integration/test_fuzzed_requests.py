"""The requests of a real Envoy, made wrong in many ways: the server refuses them or goes on, and serves others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from random import Random

import grpc
import hypothesis.strategies as st
import pytest
import pytest_asyncio
from hypothesis import given, settings

from bridge.resources import ResourceBuilder
from support.builders import appeared, endpoint, service
from support.envoy import EnvoyProcess, envoy
from support.fuzzed_stream import Audience, conversed, essence, read_by_envoy_data_plane
from support.mutation import mutated, shortened
from support.request_recorder import RecordedStream, RequestRecorder
from support.stream_recorder import StreamRecorder
from support.transports import Bootstrap, Transport
from support.waiting import eventually
from support.xds_client import Transport as ClientTransport
from support.xds_client import connected
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, ResourceType, ServerOptions, Snapshot, SnapshotCache, XdsServer
from xds.codec import DeltaRequestDecoder, RequestDecoder
from xds.subscription import NameSets

REFUSED = "s09"
WITHOUT_TIMEOUT = {"health_checks": [{"interval": "1s", "tcp_health_check": {}}]}
"""A health check that lacks what Envoy requires, which only Envoy knows."""

CASES = 200
ENDS = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
"""How a stream may end whose client sends anything: it lived on until the client ended it, or it was refused."""


def published(*names: str, rules: Mapping[str, Mapping[str, object]] | None = None, port: int = 8080) -> Snapshot:
    builder = ResourceBuilder({}, [(name, dict(rule)) for name, rule in (rules or {}).items()])
    return builder.apply(Snapshot(), appeared(*(service(name, [endpoint(port=port)]) for name in names)))


@contextlib.asynccontextmanager
async def serving(cache: SnapshotCache) -> AsyncIterator[tuple[int, StreamRecorder]]:
    """A server: its port and what it tells; it must not have failed at anything."""
    recorder = StreamRecorder()
    server = XdsServer(cache, ServerOptions(), recorder)
    port = await server.start()
    running = asyncio.create_task(server.run())
    yield port, recorder
    await server.stop(grace=1)
    assert not running.done()
    running.cancel()
    assert recorder.failures == []


async def short_life(transport: Transport, directory: Path) -> list[RecordedStream]:
    """Every request of an Envoy: clusters come, change and go, one is rejected, and the connection is lost."""
    cache = SnapshotCache()
    async with serving(cache) as (port, recorder), RequestRecorder(port) as relay:
        cache.set(published("s00", "s01", "s02"))
        bootstrap = Bootstrap(transport, [relay.port], "s00").config
        async with envoy(bootstrap, directory) as process:
            await has(process, "s00", "s01", "s02")
            cache.set(published("s00", "s01", "s02", "s03", port=8081))
            await has(process, "s00", "s01", "s02", "s03")
            slower = {"s01": {"connect_timeout": "2s"}}
            cache.set(published("s00", "s01", "s03", rules=slower))
            await has(process, "s00", "s01", "s03")
            cache.set(published("s00", "s01", "s03", REFUSED, rules={**slower, REFUSED: WITHOUT_TIMEOUT}))
            await eventually(lambda: bool(recorder.of("nacked")), what="Envoy rejects a cluster")
            before, answers = len(relay.streams), len(recorder.of("acked"))
            relay.hang_up()
            await eventually(lambda: len(relay.streams) > before, timeout=20, what="Envoy comes back")
            cache.set(published("s00", "s04"))
            await has(process, "s00", "s04")
            assert len(recorder.of("acked")) > answers
        return relay.streams


async def has(process: EnvoyProcess, *names: str) -> None:
    """Wait until these are the dynamic clusters of Envoy, each warmed with its endpoint."""

    async def warm() -> bool:
        clusters = await process.clusters()
        return {name for name, hosts in clusters.items() if hosts and name in _NAMES} == set(names)

    await eventually(warm, timeout=20, what=f"Envoy has {names} with their endpoints")


_NAMES = {f"s{number:02}" for number in range(10)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> Sequence[RecordedStream]:
    """What Envoy sends over each transport, recorded anew in each run."""
    lives = [short_life(transport, tmp_path_factory.mktemp(transport)) for transport in Transport]
    return [stream for streams in await asyncio.gather(*lives) for stream in streams]


@pytest.fixture(scope="module")
def sotw(recorded: Sequence[RecordedStream]) -> list[bytes]:
    return seeds(recorded, delta=False)


@pytest.fixture(scope="module")
def delta(recorded: Sequence[RecordedStream]) -> list[bytes]:
    return seeds(recorded, delta=True)


def seeds(recorded: Sequence[RecordedStream], *, delta: bool) -> list[bytes]:
    """All different requests of a variant, but one with a shorter node: envoy-data-plane takes long for a whole one."""
    requests = [request for stream in recorded if stream.delta is delta for request in stream.requests]
    return sorted({*map(shortened, requests), *requests[:1]})


def test_the_recording_holds_all_that_an_envoy_says(
    recorded: Sequence[RecordedStream], sotw: list[bytes], delta: list[bytes]
) -> None:
    restating = [RequestDecoder(NameSets()).decode(request) for request in sotw]
    incremental = [DeltaRequestDecoder(NameSets()).decode(request) for request in delta]

    assert {(stream.delta, stream.aggregated) for stream in recorded if stream.requests} == {
        (False, False), (False, True), (True, False), (True, True),
    }  # fmt: skip
    assert min(max(map(len, sotw)), max(map(len, delta))) > 50_000, "a whole node"
    assert any(request.error for request in restating)
    assert any(request.version and not request.nonce for request in restating), "a reconnect"
    assert any(request.error for request in incremental)
    assert any(request.unsubscribe for request in incremental)
    assert any(request.initial_versions for request in incremental), "a reconnect"


def test_we_read_what_an_envoy_says_as_envoy_data_plane_does(sotw: list[bytes], delta: list[bytes]) -> None:
    for message in sotw:
        assert essence(RequestDecoder(NameSets()).decode(message)) == read_by_envoy_data_plane(message, delta=False)
    for message in delta:
        assert essence(DeltaRequestDecoder(NameSets()).decode(message)) == read_by_envoy_data_plane(message, delta=True)


@settings(max_examples=60, derandomize=True, database=None)
@given(random=st.randoms(use_true_random=False), types=st.sampled_from([(CLUSTER, ENDPOINT), (CLUSTER,), (ENDPOINT,)]))
def test_a_stream_refuses_or_goes_on(
    sotw: list[bytes], delta: list[bytes], random: Random, types: tuple[ResourceType, ...]
) -> None:
    conversed(random, Audience(types), sotw, delta)


async def test_a_server_refuses_or_goes_on_and_others_are_served(recorded: Sequence[RecordedStream]) -> None:
    cache, random = SnapshotCache(), Random(20_261_126)
    cases = [case(random, random.choice([stream for stream in recorded if stream.requests])) for _ in range(CASES)]
    cache.set(snapshot({"s00": "", "s01": ""}))
    statuses: set[grpc.StatusCode] = set()
    async with (
        serving(cache) as (port, recorder),
        connected(port, ClientTransport(delta=False, aggregated=True)) as well,
    ):
        await well.subscribe(CLUSTER)
        await well.accept(CLUSTER)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            for start in range(0, CASES, 20):
                ends = [asyncio.to_thread(end_of, channel, *each) for each in cases[start : start + 20]]
                statuses |= set(await asyncio.gather(*ends))
                content = snapshot({"s00": str(start)})
                cache.set(content)
                assert (await well.accept(CLUSTER)).version == content.version(CLUSTER.url)
        assert recorder.failures == []
        assert 30 < len(recorder.of("refused")) < CASES

    assert statuses <= ENDS
    assert len(statuses) > 1


def case(random: Random, stream: RecordedStream) -> tuple[str, list[bytes]]:
    """What was said at the beginning of a stream, one of it wrong."""
    requests = stream.requests[: random.randint(1, 4)]
    wrong = random.randrange(len(requests))
    return stream.method, [mutated(random, each) if n == wrong else each for n, each in enumerate(requests)]


def end_of(channel: grpc.Channel, method: str, requests: Sequence[bytes]) -> grpc.StatusCode:
    """How a stream ends on which this is said, and then no more; not ending in time is a status too.

    By the blocking client: that of grpc.aio forgets the server's status when it was still writing.
    """
    open_stream: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method)
    call = open_stream(iter(requests), timeout=30)
    with contextlib.suppress(grpc.RpcError):  # which is the status
        for _ in call:
            pass
    code: grpc.StatusCode = call.code()
    return code
