"""`/api/v1/events` as a stream (Server-Sent Events): what happens, as it happens, for as long as a client listens.

There is no queue. Each client has a place in the trail, which is remembered anyway, and is written what came after it
when it can take it; one that is so slow that the trail has gone on without it is told how much it missed. What is
the same for all clients, an event as it is written and whether anything else has changed, is worked out once.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import asdict

from aiohttp import web

from bridge.admin import document, event
from bridge.admin.look import Connected, Look
from bridge.admin.view import View
from bridge.audit import Numbered, Remembered
from xds import StreamStatus

CLIENTS = 32
"""Streams that are open at once; who comes then is asked to come later."""

INTERVAL = 0.25
"""Seconds between two looks at what has happened."""

STATE = 1.0
"""Seconds between two looks at everything else that is shown."""

KEEPALIVE = 15.0
"""Seconds after which something is written in any case, so that a client that is gone is noticed."""

STALLED = 30.0
"""Seconds for which a client may leave unread what it was written."""

BATCH = 200
"""Events that are written at once."""

KEPT = 2 * BATCH
"""Events that are kept as they were written, because others will want them too."""


class Live:
    """Streams of events, for the page and for whoever else follows.

    Args:
        view: all that there is to see.
        connected: finds the open streams.
        executor: where it is found out whether anything has changed.
    """

    def __init__(self, view: View, connected: Connected, executor: Executor) -> None:
        self._view = view
        self._connected = connected
        self._executor = executor
        self._closed = asyncio.Event()
        self._clients = 0
        self._state = Look(self._observed, STATE)
        self._written: dict[int, str] = {}
        """By its number, each event of the last that were written to anybody, as it is written."""

    def close(self) -> None:
        """End every stream."""
        self._closed.set()

    async def answer(self, request: web.Request, query: event.Query) -> web.StreamResponse:
        """Write to a client until it goes or the bridge stops.

        Args:
            request: of the client; `Last-Event-ID` says where it was interrupted.
            query: which events it wants; without `after`, those that come from now on.
        """
        if self._clients >= CLIENTS:
            raise web.HTTPServiceUnavailable(text=f"{CLIENTS} streams of events are open already; close one")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self._clients += 1
        try:
            with suppress(ConnectionError):
                await response.prepare(request)
                await self._write(request, response, query)
        finally:
            self._clients -= 1
        return response

    async def _write(self, request: web.Request, response: web.StreamResponse, query: event.Query) -> None:
        loop = asyncio.get_running_loop()
        remembered = self._view.trail.remembered()
        place = _beginning(request.headers, query, remembered)
        state, written = await self._state(), loop.time()
        await self._send(response, ": welcome\nretry: 2000\n\n")
        while not self._closed.is_set() and request.transport and not request.transport.is_closing():
            text = ""
            if self._view.trail.last > place:
                place, text = self._told(self._view.trail.remembered(), place, query)
            if (observed := await self._state()) != state:
                state = observed
                text += f"event: state\ndata: {state}\n\n"
            if not text and loop.time() - written > KEEPALIVE:
                text = ": still here\n\n"
            if text:
                written = loop.time()
                if not await self._send(response, text):
                    request.transport.abort()
                    return
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self._closed.wait()

    async def _send(self, response: web.StreamResponse, text: str) -> bool:
        """Whether the client has room for it before long."""
        try:
            async with asyncio.timeout(STALLED):
                await response.write(text.encode())
        except TimeoutError:
            return False
        return True

    async def _observed(self) -> str:
        """A text that is another one when something that is shown has changed."""
        streams = await self._connected()
        return await asyncio.get_running_loop().run_in_executor(self._executor, _hashed, streams, _others(self._view))

    def _told(self, remembered: Remembered, place: int, query: event.Query) -> tuple[int, str]:
        """What comes after a place, as far as it is written at once, and the place then."""
        text = ""
        if place < remembered.first - 1:
            missed = remembered.first - 1 - place
            text = f"event: missed\ndata: {json.dumps({'events': missed})}\n\n"
        found = remembered.after(place, query.matches, BATCH)
        text += "".join(self._line(remembered.trail, each) for each in found)
        return (found[-1].number if len(found) == BATCH else remembered.last), text

    def _line(self, trail: str, happened: Numbered) -> str:
        """An event as it is written to whoever asks for it."""
        line = self._written.get(happened.number)
        if line is None:
            line = f"id: {trail}-{happened.number}\ndata: {json.dumps(asdict(event.shown(happened)))}\n\n"
            self._written[happened.number] = line
            if len(self._written) > KEPT:
                del self._written[next(iter(self._written))]
        return line


def _beginning(headers: Mapping[str, str], query: event.Query, remembered: Remembered) -> int:
    """The number of the last event that a client has."""
    # First where it was interrupted: a client that comes back asks with the `after` of its beginning.
    trail, _, number = headers.get("Last-Event-ID", "").partition("-")
    if trail == remembered.trail and number.isascii() and number.isdecimal() and len(number) < 20:
        return min(int(number), remembered.last)
    return remembered.last if query.after is None else min(query.after, remembered.last)


def _others(view: View) -> Sequence[object]:
    """What is shown beside events and Envoys. On the event loop only."""
    names = [each.name for each in view.sources()]
    readings = [view.reading.status(name) for name in names]
    return (
        [(each.source, each.last_success is None, each.failures) for each in readings],
        [view.knowledge.holds(name) for name in names],
        (view.trail.last, document.ready(view), view.reloads.report),
        (tuple(view.operation.pauses()), tuple(view.operation.drains()), tuple(view.replicas.statuses())),
    )


def _hashed(streams: Sequence[StreamStatus], others: Sequence[object]) -> str:
    """A short text for what is shown; work for a thread."""
    states = [
        (each.id, each.view, *((of.version_sent, of.version_acked, of.rejection) for of in each.types))
        for each in streams
    ]
    return f"{hash((repr(states), repr(others))) & 0xFFFFFFFFFFFF:012x}"
