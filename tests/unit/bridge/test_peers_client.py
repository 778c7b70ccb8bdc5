import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import pytest
from aiohttp import web

from bridge.peers import fingerprints
from bridge.peers.client import PeerClient, PeerError
from support.admin_bench import Bench, admin_bench
from support.http_server import answering
from support.xds_content import snapshot

SERVED = snapshot({"web": "c", "api": "c"}, {"web": "e", "api": "e"})

P = ParamSpec("P")
T = TypeVar("T")


class Closed(ThreadPoolExecutor):
    """Takes no work."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        raise AssertionError(f"asked to do {fn} {args} {kwargs}")


class Counting(ThreadPoolExecutor):
    """Knows how much work it was given."""

    given = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.given += 1
        return super().submit(fn, *args, **kwargs)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with admin_bench() as bench:
        bench.serving.snapshot = SERVED
        yield bench


async def test_answers_are_read_where_the_event_loop_does_not_wait(bench: Bench) -> None:
    executor = Counting(1)

    async with PeerClient(executor, 1) as client:
        told = await client.versions(bench.url)
        marks = await client.fingerprints(bench.url, "default")

    assert told.instance == bench.replicas.instance
    assert marks == frozenset(fingerprints(SERVED).values())
    assert executor.given == 2


async def test_names_are_looked_up_in_threads_of_their_own(bench: Bench) -> None:
    asyncio.get_running_loop().set_default_executor(Closed())

    async with PeerClient(ThreadPoolExecutor(1), 1) as client:
        told = await client.versions(bench.url.replace("127.0.0.1", "localhost"))

    assert told.instance == bench.replicas.instance


@pytest.mark.parametrize("body", ['{"services": "0123"}', '{"services": ["0123456789abcdef"]}', "{}"])
async def test_fingerprints_that_are_none_are_said(body: str) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body)

    async with answering(answer) as url, PeerClient(ThreadPoolExecutor(1), 1) as client:
        with pytest.raises(PeerError, match="answers 200 as no replica of this version does"):
            await client.fingerprints(url, "default")
