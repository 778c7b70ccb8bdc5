"""The source of the benchmark changes what it is told to, and is found like an installed adapter."""

import asyncio
from importlib.metadata import distributions
from pathlib import Path

import pytest

from benchmark.server import register
from benchmark.synthetic import PORT, TYPE, SyntheticAdapter, SyntheticConfig
from bridge.model import Endpoint, Entry, ServiceName
from bridge.plugins import GROUP, Plugins
from support.context import MemorySink, into
from support.ports import free_port
from support.ticks import ManualTicks
from support.waiting import eventually

FIRST, LAST = ServiceName("service-00000"), ServiceName("service-00002")


async def answer(port: int, target: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {target} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    status = (await reader.readline()).decode().strip()
    writer.close()
    await writer.wait_closed()
    return status


def ports(entries: frozenset[Entry]) -> list[int]:
    return sorted(entry.port for entry in entries if isinstance(entry, Endpoint))


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_a_touch_changes_one_endpoint_of_one_service() -> None:
    sink, port = MemorySink(), free_port()
    adapter = SyntheticAdapter(SyntheticConfig(clusters=3, endpoints=2, touch_port=port))

    async with into(sink, adapter, ManualTicks()):
        await eventually(lambda: listens(port))
        before = sink.services
        status = await answer(port, "/touch?i=2")
        once = ports(sink.services[LAST])
        await answer(port, "/touch?i=2")
        twice = ports(sink.services[LAST])

    assert status == "HTTP/1.1 200 OK"
    assert [ports(entries) for entries in before.values()] == [[PORT, PORT]] * 3
    assert sink.services[FIRST] == before[FIRST]
    assert once[0] == twice[0] == PORT
    assert len({PORT, once[1], twice[1]}) == 3
    assert sink.calls == ["replace", "update", "update"]


@pytest.mark.parametrize("target", ["/touch?i=3", "/touch?i=", "/other?i=1"])
async def test_what_it_does_not_have_it_does_not_touch(target: str) -> None:
    sink, port = MemorySink(), free_port()
    adapter = SyntheticAdapter(SyntheticConfig(clusters=3, endpoints=2, touch_port=port))

    async with into(sink, adapter, ManualTicks()):
        await eventually(lambda: listens(port))
        status = await answer(port, target)

    assert status == "HTTP/1.1 400 Bad Request"
    assert sink.calls == ["replace"]


def test_the_bridge_finds_it_without_an_installation(tmp_path: Path) -> None:
    register(tmp_path)

    (distribution,) = distributions(path=[str(tmp_path)])
    plugins = Plugins(distribution.entry_points.select(group=GROUP))

    assert plugins[TYPE] is SyntheticAdapter
