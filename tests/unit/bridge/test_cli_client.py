"""How commands ask: whatever a name holds, and whatever answers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from aiohttp import web
from pydantic import BaseModel

from bridge.answer import Page
from bridge.cli import client
from support.admin_bench import Bench
from support.http_server import answering

NASTY = ["../x", "a/../b", "a/./b", ".", "..", "a//b", "a%2Fb", "%", "a?b=c", "a#b", "a b", "ä", "web.prod"]


class Anything(BaseModel):
    pass


@pytest.mark.parametrize("kind", ["services", "envoys"])
@pytest.mark.parametrize("name", NASTY)
async def test_what_is_asked_for_has_the_name_that_was_typed(bench: Bench, kind: str, name: str) -> None:
    with pytest.raises(client.NotThereError) as caught:
        await client.read([client.Way(bench.url)], client.named(f"api/v1/{kind}", name), Anything)

    assert repr(name) in str(caught.value)


def writing(portion: bytes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(portion)
                await asyncio.sleep(0)
        return response

    return answer


async def test_an_answer_that_drips_is_given_up() -> None:
    async with answering(writing(b" ")) as url:
        with pytest.raises(client.UnreachableError, match=r"not whole within 0\.2 s"):
            await client.read([client.Way(url, 0.2)], "livez", Anything)


async def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LARGEST", 1 << 20)

    async with answering(writing(b" " * 65536)) as url:
        with pytest.raises(client.UnreachableError, match="sends more than 1 MiB"):
            await client.read([client.Way(url)], "livez", Anything)


async def test_pages_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LONGEST", 0.2)

    async def more(_: web.Request) -> web.Response:
        return web.json_response({"after": "more"})

    async with answering(more) as url:
        with pytest.raises(client.UnreachableError, match=f"the pages of {url} have no end"):
            await client.pages([client.Way(url)], "livez", Page)
