"""What no xDS client sends: bombs, noise, other protocols. The server gets no larger, and others notice nothing."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.file_traffic import file_traffic
from support.transports import Transport
from support.waiting import eventually
from support.xds_process import MIB, Bystander, XdsProcess, bystander, flooder, said, settles

SLACK = 48 * MIB
"""What the memory may grow by: twice the largest request (16 MiB) while one is read, and gRPC's own buffers."""


@pytest.fixture
async def server() -> AsyncIterator[XdsProcess]:
    async with XdsProcess() as server:
        yield server


@pytest.fixture
async def other(server: XdsProcess) -> AsyncIterator[Bystander]:
    async with bystander(server) as other:
        yield other


@pytest.mark.parametrize(("kind", "size"), [("bomb", 300 * MIB), ("large", 64 * MIB)])
async def test_a_request_too_large_is_refused_before_it_takes_memory(
    server: XdsProcess, other: Bystander, kind: str, size: int
) -> None:
    before = server.memory()
    server.forget_peak()

    async with flooder(server, kind, size) as client:
        assert await said(client) == {"resource_exhausted": 1}
        await other.sees_changes()

    assert server.peak() < before + SLACK
    await eventually(lambda: _streams(server, 1))


async def test_an_envoy_that_outgrows_the_limit_by_a_little_is_told_of(server: XdsProcess, other: Bystander) -> None:
    async with flooder(server, "large", 16 * MIB + 1000) as client:
        assert await said(client) == {"resource_exhausted": 1}
        await other.sees_changes()

        assert (await server.counts())["request_size"] == 1


async def test_headers_too_large_are_refused(server: XdsProcess, other: Bystander) -> None:
    before = server.memory()
    server.forget_peak()

    async with flooder(server, "metadata", 20_000, 50) as client:
        assert await said(client) == {"resource_exhausted": 50}
        await other.sees_changes()

    assert server.peak() < before + SLACK


async def test_noise_and_other_protocols_are_hung_up_on(server: XdsProcess, other: Bystander) -> None:
    before = server.memory()
    server.forget_peak()

    for garbage in _garbage():
        await asyncio.gather(*(_send(server.port, garbage) for _ in range(20)))
    await other.sees_changes()

    assert server.peak() < before + SLACK
    assert (await server.counts())["opened"] == 1


async def test_no_request_of_an_envoy_fails_and_every_change_arrives_while_its_bridge_gets_garbage(
    tmp_path: Path,
) -> None:
    async with file_traffic(tmp_path, Transport.SOTW_ADS) as world:
        await world.load.more(50)
        before = await world.history()

        async with flooder(world.bridge.xds_port, "bomb", 300 * MIB) as client, asyncio.TaskGroup() as tasks:
            for garbage in _garbage():
                for _ in range(20):
                    tasks.create_task(_send(world.bridge.xds_port, garbage))
            assert await said(client) == {"resource_exhausted": 1}
            await world.load.more(100)
            assert await world.history() == before
            await world.converges("a", "b", "c")

        await world.streams(1)
        await world.converges("b", "c")
        assert await world.stat("cluster_manager.cluster_removed") == 0


async def test_connections_that_say_nothing_do_no_harm(server: XdsProcess, other: Bystander) -> None:
    before = server.memory()

    lines = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(800)]
    await other.sees_changes()

    assert server.memory() < before + 64 * MIB  # some 40 KB each, and as much for buffers
    for _, writer in lines:
        writer.close()
    await settles(server, before + SLACK)


async def _streams(server: XdsProcess, count: int) -> bool:
    return (await server.counts())["open"] == count


async def _send(port: int, data: bytes) -> None:
    """Send bytes and wait a while for the server to hang up; whether it does is its own affair."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(2):
            while await reader.read(65536):
                pass
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()


def _garbage() -> Iterator[bytes]:
    """Noise, two other protocols, and HTTP/2 that is a flood, or noise after its beginning."""
    noise, preface = random.Random(1).randbytes(10_000), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    settings = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
    yield noise
    yield b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield _client_hello()
    yield preface + settings * 10_000
    yield preface + noise


def _client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="xds.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()
