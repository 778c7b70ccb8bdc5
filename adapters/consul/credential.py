"""The ACL token, from a file that may change at any time."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bridge.errors import SourceError

_CHECK_AFTER = 5.0
"""Seconds for which a token is used before its file is looked at again."""


class Credential:
    """Reads the token in a thread of its own: a file may be on a slow disk, and the loop must not wait for it."""

    def __init__(self, path: Path, executor: Executor, unreadable: Callable[[str], None]) -> None:
        self._path = path
        self._executor = executor
        self._unreadable = unreadable
        self._token: str | None = None
        self._checked = float("-inf")
        self._problem = ""

    async def token(self) -> str:
        """The token as the file had it at most a few seconds ago; the last one while the file cannot be read.

        Raises:
            SourceError: the file has never been readable.
        """
        loop = asyncio.get_running_loop()
        if self._token is None or loop.time() - self._checked > _CHECK_AFTER:
            return await self._refresh()
        return self._token

    async def replaced(self, refused: str) -> bool:
        """Read the file now; whether it holds another token than the one that was refused.

        Raises:
            SourceError: the file has never been readable.
        """
        return await self._refresh() != refused

    async def _refresh(self) -> str:
        loop = asyncio.get_running_loop()
        self._checked = loop.time()
        try:
            token = await loop.run_in_executor(self._executor, _read, self._path)
        except (OSError, ValueError) as error:
            if self._token is None:
                raise SourceError(f"cannot read the Consul token from {self._path}: {error}") from error
            self._tell(str(error))
            return self._token
        self._token, self._problem = token, ""
        return token

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self._unreadable(problem)


@contextmanager
def credential(path: Path | None, unreadable: Callable[[str], None]) -> Iterator[Credential | None]:
    """The credential in `path` and the thread that reads it; None where no token is used."""
    if path is None:
        yield None
        return
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="consul-token")
    try:
        yield Credential(path, executor, unreadable)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _read(path: Path) -> str:
    token = path.read_text(encoding="utf-8").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise ValueError("it holds no token")
    return token
