"""Two sides of a comparison: a watch of one replica, and the real admin server of another."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from aiohttp import web

from bridge.clock import Clock
from bridge.config import AdminConfig
from bridge.peers import Difference, Peers, PeerState, PeerStatus
from support.admin_bench import Bench
from support.admin_fakes import FakeServing
from support.http_server import answering
from support.ports import free_port
from support.ticks import ManualTicks
from support.waiting import eventually
from support.xds_content import snapshot
from xds import Snapshot

OURS = snapshot({"web": "c", "api": "c"}, {"web": "e1", "api": "e"})
THEIRS = snapshot({"web": "c", "api": "c", "db": "c"}, {"web": "e2", "api": "e", "db": "e"})
NONE: Mapping[str, Snapshot] = {}


@dataclass
class Watch:
    peers: Peers
    ticks: ManualTicks = field(default_factory=ManualTicks)

    async def until(self, state: PeerState) -> PeerStatus:
        """Look until every peer is in this state; returns the first one's."""

        def reached() -> bool:
            self.ticks.tick()
            return {status.state for status in self.peers.statuses()} == {state}

        await eventually(reached, what=f"{state}")
        return self.peers.statuses()[0]


@asynccontextmanager
async def watching(
    *urls: str, served: Snapshot | None = OURS, views: Mapping[str, Snapshot] = NONE, patience: str = "0s"
) -> AsyncIterator[Watch]:
    """One that runs, by default with no patience at all."""
    ticks = ManualTicks()
    config = AdminConfig.model_validate({"peers": urls, "peer_patience": patience})
    watch = Watch(Peers(config, FakeServing(served, views), ticks, Clock(lambda: 5.0, lambda: 5.0)), ticks)
    running = asyncio.create_task(watch.peers.run())
    try:
        yield watch
        assert not running.done(), "nothing that a peer does may end the watch"
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_peer_that_serves_the_same_is_the_same(bench: Bench) -> None:
    bench.serving.snapshot = snapshot({"api": "c", "web": "c"}, {"api": "e", "web": "e1"})

    async with watching(bench.url) as watch:
        await watch.until(PeerState.SAME)


@pytest.mark.parametrize(("patience", "interval"), [("1m", 2.0), ("3s", 1.5), ("0s", 0.1)])
async def test_a_peer_is_looked_at_twice_while_it_may_differ(bench: Bench, patience: str, interval: float) -> None:
    async with watching(bench.url, patience=patience) as watch:
        await watch.until(PeerState.WAITING)

    assert watch.ticks.intervals == [interval]


async def test_a_peer_that_serves_something_else_differs_in_the_services_that_do(bench: Bench) -> None:
    bench.serving.snapshot = THEIRS

    async with watching(bench.url) as watch:
        status = await watch.until(PeerState.DIFFERS)
        bench.serving.snapshot = OURS
        await watch.until(PeerState.SAME)

    assert status == PeerStatus(
        bench.url, PeerState.DIFFERS, 5.0, difference=Difference("default", ("web",), here=1, there=2)
    )


async def test_a_view_that_differs_is_named_as_this_side_names_it(bench: Bench) -> None:
    bench.serving.snapshot, bench.serving.views = OURS, {"views[0] in eu": THEIRS}

    async with watching(bench.url, views={"views[0] in eu": OURS, "views[1]": OURS}) as watch:
        status = await watch.until(PeerState.DIFFERS)

    assert status.difference == Difference("views[0] in eu", ("web",), here=1, there=2)


class Name(str):
    """One that knows which threads have put it in order."""

    __slots__ = ()
    threads: ClassVar[set[str]] = set()

    def __lt__(self, other: str) -> bool:
        self.threads.add(threading.current_thread().name)
        return super().__lt__(other)


async def test_sides_are_compared_where_the_event_loop_does_not_wait(bench: Bench) -> None:
    bench.serving.snapshot = THEIRS
    ours = snapshot({Name(name): "d" for name in ("web", "api")})
    Name.threads.clear()

    async with watching(bench.url, served=ours) as watch:
        await watch.until(PeerState.DIFFERS)

    assert Name.threads == {"peers_0"}


@pytest.mark.parametrize(("ours", "theirs"), [(None, THEIRS), (OURS, None)])
async def test_nothing_differs_while_one_answers_no_envoy(
    bench: Bench, ours: Snapshot | None, theirs: Snapshot | None
) -> None:
    bench.serving.snapshot = theirs

    async with watching(bench.url, served=ours) as watch:
        await watch.until(PeerState.WAITING)


async def test_a_url_that_leads_back_is_found_out(bench: Bench) -> None:
    bench.serving.snapshot = THEIRS

    async with watching(bench.url) as watch:
        bench.replicas.instance = watch.peers.instance
        await watch.until(PeerState.ITSELF)


async def test_a_peer_that_is_away_keeps_nobody_from_the_others(bench: Bench) -> None:
    bench.serving.snapshot = OURS
    away = f"http://127.0.0.1:{free_port()}"

    async with watching(away, bench.url) as watch:
        await eventually(lambda: watch.peers.statuses()[1].state is PeerState.SAME)
        await eventually(lambda: watch.peers.statuses()[0].state is PeerState.UNREACHABLE)

    assert watch.peers.statuses()[0].error == "cannot connect (Connection refused)"


ANSWERS: Mapping[str, tuple[web.Response, str]] = {
    "refused": (
        web.json_response({"error": "only /metrics answers; set admin.peers"}, status=403),
        "answers 403: only /metrics answers; set admin.peers",
    ),
    "foreign": (web.Response(text="<html>"), "answers 200 as no replica of this version does"),
    "elsewhere": (
        web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        "answers 302 as no replica of this version does",
    ),
    "mistaken": (web.json_response({"instance": 5, "views": []}), "answers 200 as no replica of this version does"),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_an_answer_that_is_none_is_said(case: str) -> None:
    response, error = ANSWERS[case]

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=response.body, status=response.status, headers=response.headers)

    async with answering(answer) as url, watching(url) as watch:
        status = await watch.until(PeerState.UNREACHABLE)

    assert status.error == error


async def test_a_connection_that_breaks_off_is_no_answer() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server, watching(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as watch:
        status = await watch.until(PeerState.UNREACHABLE)

    assert status.error.startswith("no answer (")
