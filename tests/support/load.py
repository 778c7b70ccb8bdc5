"""Steady requests through an Envoy's listener, every answer counted."""

import asyncio
from collections import Counter
from types import TracebackType
from typing import Self

import aiohttp

from support.waiting import eventually


class Load:
    """Sends requests one after the other on a few connections for as long as its context lasts.

    Args:
        url: what to ask for.
        workers: connections.
        pause: seconds between an answer and the next request on the same connection.
        patience: seconds that an answer may take.
    """

    def __init__(self, url: str, *, workers: int = 2, pause: float = 0.01, patience: float = 10) -> None:
        self.url = url
        self.answers: Counter[str] = Counter()
        """Bodies of the answers with status 200: the names of the backends that gave them."""
        self.failures: list[str] = []
        self.workers = workers
        self._pause, self._patience = pause, patience
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._patience))
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self.workers)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def more(self, requests: int) -> None:
        """Wait until this many more requests were answered, well or badly."""
        wanted = self._total() + requests
        await eventually(lambda: self._total() >= wanted, timeout=60, what=f"{requests} more answers")

    def _total(self) -> int:
        return self.answers.total() + len(self.failures)

    async def _work(self) -> None:
        while True:
            try:
                async with self._session.get(self.url) as response:
                    body = await response.text()
                if response.status == 200:
                    self.answers[body] += 1
                else:
                    self.failures.append(f"{response.status} {body[:100]}")
            except (aiohttp.ClientError, TimeoutError) as error:
                self.failures.append(repr(error))
            await asyncio.sleep(self._pause)
