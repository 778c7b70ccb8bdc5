"""`/api/v1/events` as a stream (Server-Sent Events): what happens, as it happens, for as long as a client listens.

There is no queue. Each client has a place in the trail, which is remembered anyway, and is written what came after it
when it can take it; one that is so slow that the trail has gone on without it is told how much it missed.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict

from aiohttp import web

from bridge.admin import document, event
from bridge.admin.view import View
from bridge.audit import Remembered

CLIENTS = 32
"""Streams that are open at once; who comes then is asked to come later."""

INTERVAL = 0.25
"""Seconds between two looks at what has happened."""

STATE = 1.0
"""Seconds between two looks at everything else that is shown, which takes the loop 25 ms for a thousand Envoys."""

KEEPALIVE = 15.0
"""Seconds after which something is written in any case, so that a client that is gone is noticed."""

STALLED = 30.0
"""Seconds for which a client may leave unread what it was written."""

BATCH = 200
"""Events that are written at once."""


class Live:
    """Streams of events, for the page and for whoever else follows."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._closed = asyncio.Event()
        self._clients = 0
        self._state = ""
        self._state_at = float("-inf")

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
        state, written = self._observed(), loop.time()
        await self._send(response, ": welcome\nretry: 2000\n\n")
        while not self._closed.is_set() and request.transport and not request.transport.is_closing():
            text = ""
            if self._view.trail.last > place:
                place, text = _told(self._view.trail.remembered(), place, query)
            if (observed := self._observed()) != state:
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

    def _observed(self) -> str:
        """A text that is another one when something that is shown has changed; the same for all clients."""
        now = asyncio.get_running_loop().time()
        if now - self._state_at >= STATE:
            self._state_at, self._state = now, _state(self._view)
        return self._state


def _beginning(headers: Mapping[str, str], query: event.Query, remembered: Remembered) -> int:
    """The number of the last event that a client has."""
    # First where it was interrupted: a client that comes back asks with the `after` of its beginning.
    trail, _, number = headers.get("Last-Event-ID", "").partition("-")
    if trail == remembered.trail and number.isascii() and number.isdecimal() and len(number) < 20:
        return min(int(number), remembered.last)
    return remembered.last if query.after is None else min(query.after, remembered.last)


def _told(remembered: Remembered, place: int, query: event.Query) -> tuple[int, str]:
    """What comes after a place, as far as it is written at once, and the place then."""
    text = ""
    if place < remembered.first - 1:
        missed = remembered.first - 1 - place
        text = f"event: missed\ndata: {json.dumps({'events': missed})}\n\n"
    found = remembered.after(place, query.matches, BATCH)
    for each in found:
        text += f"id: {remembered.trail}-{each.number}\ndata: {json.dumps(asdict(event.shown(each)))}\n\n"
    return (found[-1].number if len(found) == BATCH else remembered.last), text


def _state(view: View) -> str:
    """A hash of what is shown."""
    seen = document.observe(view)
    sources = [view.reading.status(each.name) for each in view.sources()]
    streams = [
        (each.id, each.view, *((of.version_sent, of.version_acked, of.rejection) for of in each.types))
        for each in seen.streams
    ]
    failures = [(each.source, each.last_success is None, each.failures) for each in sources]
    holds = [view.knowledge.holds(each.name) for each in view.sources()]
    others = (view.trail.last, seen.readiness, seen.config, seen.pauses, seen.drains, seen.peers)
    return f"{hash((repr(streams), repr(failures), repr(holds), repr(others))) & 0xFFFFFFFFFFFF:012x}"
