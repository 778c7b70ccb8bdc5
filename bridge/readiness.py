"""When the bridge may answer Envoys for the first time.

An empty or partial first answer would delete clusters that a running Envoy still uses, so nothing is answered until
every required source has spoken, and every optional one has spoken or had its grace.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bridge.model import SourceName
from bridge.observer import SourceObserver

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Expectation:
    """How a source is waited for."""

    source: SourceName
    required: bool
    """Waited for without end; an optional source is waited for through the grace alone."""
    allow_empty: bool
    """A first pass that found no endpoint counts as having spoken."""


class Readiness(SourceObserver):
    """Knows which sources have spoken: finished a first complete pass that found an endpoint, or may find none.

    Once ready it stays ready: a source that fails later is served from what it last said.
    """

    def __init__(
        self,
        expectations: Sequence[Expectation],
        endpoints: Callable[[SourceName], int],
        startup_grace: float,
        restored: Callable[[SourceName], bool] = lambda _: False,
        paused: Callable[[SourceName], bool] = lambda _: False,
    ) -> None:
        """Wait for everybody.

        Args:
            expectations: one for each source.
            endpoints: how many endpoints a source contributes now.
            startup_grace: seconds that optional sources get, and those of which something is known from an earlier
                process; after which silent required ones are named in the log.
            restored: whether something is known of a source from an earlier process.
            paused: whether an operator has paused a source, so that what it says is not served.
        """
        self._expectations = {each.source: each for each in expectations}
        self._endpoints = endpoints
        self._grace = startup_grace
        self._restored = restored
        self._paused = paused
        self._passed: set[SourceName] = set()
        self._spoken: set[SourceName] = set()
        self._grace_is_over = False
        self._wake = asyncio.Event()
        self.ready = False
        """Whether Envoys are answered."""

    def succeeded(self, source: SourceName, reading: str) -> None:
        """Take note of a successful read; the one of the adapter itself (no name) ends its first complete pass."""
        if not reading:
            self._passed.add(source)
        expected = self._expectations.get(source)
        if expected and source not in self._spoken and not self._missing(expected):
            self._spoken.add(source)  # for good: what it loses from here on is news, not a beginning
            self._wake.set()

    def started(self, source: SourceName) -> None:
        """Take note that a source is read, or is read in another way: it has yet to speak."""
        self._passed.discard(source)
        self._spoken.discard(source)

    def configure(self, expectations: Sequence[Expectation]) -> None:
        """Wait for other sources, unless Envoys are answered already: then nobody is waited for any more."""
        self._expectations = {each.source: each for each in expectations}
        self._wake.set()

    def look_again(self) -> None:
        """See whether somebody is still waited for: an operator may have said something about it."""
        self._wake.set()

    def waiting(self) -> Mapping[SourceName, str]:
        """The sources that Envoys' first answer waits for, each with what is missing."""
        if self.ready:
            return {}
        return {
            source: self._missing(expected)
            for source, expected in self._expectations.items()
            if source not in self._spoken and not self._dispensable(expected)
        }

    async def wait(self) -> None:
        """Return when Envoys may be answered; called once, before the first snapshot."""
        try:
            async with asyncio.timeout(self._grace):
                await self._everybody()
        except TimeoutError:
            self._end_grace()
            await self._everybody()
        self.ready = True
        silent = sorted(self._expectations.keys() - self._spoken)
        log.info("bridge.ready", extra={"sources": len(self._expectations), "silent": silent})

    async def _everybody(self) -> None:
        while self.waiting():
            await self._wake.wait()
            self._wake.clear()

    def _end_grace(self) -> None:
        silent = self.waiting()
        self._grace_is_over = True
        for source, reason in sorted(silent.items()):
            consequence = "served without it"
            if self._restored(source):
                consequence = "served as it was last known"
            elif source in self.waiting():
                consequence = "no Envoy is answered"
            log.warning("source.silent", extra={"source": source, "waiting_for": reason, "consequence": consequence})

    def _dispensable(self, expected: Expectation) -> bool:
        """Whether Envoys are answered although a source is silent. Of one that is paused, what is known is all."""
        restored = self._restored(expected.source)
        if restored and self._paused(expected.source):
            return True
        return self._grace_is_over and (restored or not expected.required)

    def _missing(self, expected: Expectation) -> str:
        if self._paused(expected.source):
            return "being resumed (an operator has paused it, and nothing is known of it that could be served)"
        if expected.source not in self._passed:
            return "its first complete read"
        if not expected.allow_empty and not self._endpoints(expected.source):
            return "a first endpoint (if finding none is right, set allow_empty: true on this source)"
        return ""
