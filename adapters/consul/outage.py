"""Telling a failure of one read from a failure of the whole agent.

Separate so that an outage is reported once, by the watch of the catalog, and not once per service.
"""

import asyncio
import contextlib
from typing import Protocol

from adapters.consul.agent import Agent
from adapters.consul.transport import ConsulError

_DROPPED_WITHIN = 30.0
"""Seconds in which two watches must lose their connections before the agent's limit is held responsible."""


_RECENT = 30.0
"""Seconds after an outage in which what is missing may be missing because data was lost."""

_FALLING = 0.5
"""Seconds in which all connections to an agent that has died are lost."""

_LOOKS = 10
"""How often it is looked meanwhile: one that tries to connect again counts as open for a moment."""

_PROBE_EVERY = 2.0
"""Seconds between signs of life that are asked for while reads wait, however many do."""


class Pulse(Protocol):
    """Whoever can ask the agent for a sign of life."""

    async def has_leader(self) -> bool:
        """Whether the agent answers and knows a leader."""


class Outage:
    """Knows how the reads of the catalog fare: its watch is the one that reports an outage, for all others."""

    def __init__(self, client: Pulse, agent: Agent, *, failing: bool) -> None:
        self._client = client
        self._agent = agent
        self._answered = asyncio.Event()
        self._probed_at = float("-inf")
        self._dropped: dict[str, float] = {}
        self._failing = failing
        self._over_at = float("-inf")

    @property
    def recent(self) -> bool:
        """Whether the catalog cannot be read now, or could not a moment ago."""
        return self._failing or asyncio.get_running_loop().time() - self._over_at < _RECENT

    def catalog_failed(self) -> None:
        """Remember that the agent was away, and may come back with less than it had."""
        self._failing = True

    def catalog_answered(self) -> None:
        """Let everybody go on who waits for the agent."""
        if self._failing:
            self._failing = False
            self._over_at = asyncio.get_running_loop().time()
        self._release()

    async def waited_out(self, error: ConsulError) -> bool:
        """Wait until the agent answers again if it does not now; whether it was the agent that failed."""
        if error.status is not None and error.status < 500:
            return False
        if await self._client.has_leader():
            return False
        if error.dropped and await self._others_are_served():
            return False
        await self._until_answered()
        return True

    async def _others_are_served(self) -> bool:
        """Whether other queries stay open; those of an agent that dies are not all lost in one moment."""
        for _ in range(_LOOKS):
            if not self._agent.blocking:
                return False
            await asyncio.sleep(_FALLING / _LOOKS)
        return self._agent.blocking > 0

    async def _until_answered(self) -> None:
        """Wait for the catalog's answer, or for a sign of life: the catalog's own query may sleep through an outage."""
        answered = self._answered
        while not answered.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PROBE_EVERY):
                    await answered.wait()
            if not answered.is_set() and self._may_probe() and await self._client.has_leader():
                self._release()

    def _may_probe(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._probed_at < _PROBE_EVERY:
            return False
        self._probed_at = now
        return True

    def _release(self) -> None:
        self._answered.set()
        self._answered = asyncio.Event()

    def over_limit(self, name: str, error: ConsulError) -> bool:
        """Whether the agent drops connections of several reads while it serves others, as it does above its limit.

        Args:
            name: the service whose read failed, while the agent itself had not.
            error: how it failed.
        """
        if not error.dropped:
            return False
        now = asyncio.get_running_loop().time()
        self._dropped[name] = now
        return sum(now - when <= _DROPPED_WITHIN for when in self._dropped.values()) >= 2
