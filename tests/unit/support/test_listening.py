"""Whoever connects to a server of a test is hung up on when it ends, however far the connection has come by then."""

import asyncio
from contextlib import suppress

import pytest

from support.listening import listening


@pytest.mark.parametrize("turns", range(8))
async def test_a_connection_ends_with_the_server_at_whatever_turn_of_the_event_loop(turns: int) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silent) as port:
        connecting = [asyncio.create_task(asyncio.open_connection("127.0.0.1", port)) for _ in range(20)]
        for _ in range(turns):
            await asyncio.sleep(0)

    async with asyncio.timeout(10):
        for connection in connecting:
            with suppress(ConnectionError):
                reader, writer = await connection
                assert await reader.read() == b""
                writer.close()
