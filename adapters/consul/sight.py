"""Whether an absence means anything: what the catalog names, read by someone who can still see.

Separate from the book so that a thousand services that vanish together cost a few looks and not a thousand.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from adapters.consul.client import Reply
from adapters.consul.payload import Catalog, Node
from bridge.errors import Cause, SourceError


@dataclass(frozen=True, slots=True)
class _Look:
    began: float
    seen: Reply[Catalog] | SourceError


class Looks(Protocol):
    """What is read to make sure; see `Client`."""

    async def services(self, *, consistent: bool = False) -> Reply[Catalog]:
        """The names in the catalog with their tags."""

    async def nodes(self, *, consistent: bool = False) -> Reply[tuple[Node, ...]]:
        """Every node of the datacenter."""

    async def canary(self) -> bool:
        """Whether the service that every datacenter has can be seen."""


class Sight:
    """Reads the catalog for those who miss something; who asks while a look is on its way shares the next one."""

    def __init__(self, client: Looks) -> None:
        self._client = client
        self._turn = asyncio.Semaphore(1)
        self._last: _Look | None = None

    async def catalog(self, *, canary: bool) -> Reply[Catalog]:
        """The catalog as it is now, or was at a moment after the call.

        Args:
            canary: whether the service `consul` was ever seen, so that its absence counts; else the nodes do.

        Raises:
            SourceError: it cannot be read, or what every datacenter has is not to be seen either.
        """
        clock = asyncio.get_running_loop().time
        asked = clock()
        async with self._turn:
            if self._last is None or self._last.began < asked:
                began = clock()
                self._last = _Look(began, await self._look(canary=canary))
            seen = self._last.seen
        if isinstance(seen, SourceError):
            raise SourceError(str(seen), retry_after=seen.retry_after, cause=seen.cause) from seen
        return seen

    async def _look(self, *, canary: bool) -> Reply[Catalog] | SourceError:
        try:
            reply = await self._client.services(consistent=True)
            sighted = await self._client.canary() if canary else (await self._client.nodes(consistent=True)).value
        except SourceError as error:
            return error
        if sighted:
            return reply
        return SourceError(
            f"services have vanished, and so {'has the service `consul`' if canary else 'have all nodes'}, which"
            " every datacenter has: has the token lost its rights? Nothing is removed",
            cause=Cause.DENIED,
        )
