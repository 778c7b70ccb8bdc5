"""In which order a client hears that its streams have ended and that the server goes, frame by frame."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from support.waiting import eventually
from support.xds_client import Transport
from xds import CLUSTER, XdsServer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, GOAWAY = 1, 4, 7
END_STREAM, END_HEADERS = 0x1, 0x4


class Frame(NamedTuple):
    """https://www.rfc-editor.org/rfc/rfc9113#section-4.1."""

    kind: int
    flags: int
    stream: int


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header without compression: https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2."""
    return b"\0" + b"".join(bytes((len(text),)) + text.encode() for text in (name, value))


def opening(method: str) -> bytes:
    """All that a client says first: who it is and which RPC it wants."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    block = b"".join(literal(name, value) for name, value in headers.items())
    return PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, block)


async def frames(reader: asyncio.StreamReader) -> list[Frame]:
    """All of them until the connection is closed."""
    found: list[Frame] = []
    while head := await reader.read(9):
        head += await reader.readexactly(9 - len(head))
        await reader.readexactly(int.from_bytes(head[:3], "big"))
        found.append(Frame(head[3], head[4], int.from_bytes(head[5:], "big")))
    return found


@asynccontextmanager
async def talking(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.item(14)
async def test_a_stream_ends_before_the_server_says_goodbye(port: int, transport: Transport, server: XdsServer) -> None:
    async with talking(port) as (reader, writer):
        writer.write(opening(transport.method(CLUSTER)))
        await eventually(lambda: len(list(server.streams())) == 1)
        reading = asyncio.create_task(frames(reader))

        async with asyncio.timeout(30):
            await server.stop(grace=200)
            said = await reading

    ends = [each for each in said if each.kind == HEADERS and each.flags & END_STREAM]
    assert [each.stream for each in ends] == [1]
    assert GOAWAY in [each.kind for each in said[said.index(ends[0]) :]]
    assert GOAWAY not in [each.kind for each in said[: said.index(ends[0])]]
