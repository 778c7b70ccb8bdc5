"""One reload at a time: reads the file, refuses what would do harm, and says what came of it."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bridge.config import Config
from bridge.errors import ConfigError
from bridge.reload.loss import Loss
from bridge.reload.transition import Built

log = logging.getLogger(__name__)

T = TypeVar("T")

INTERVAL = 0.5
"""Seconds between two looks at whether a source may go that was taken out of the configuration."""

TOO_MUCH = "the reload would take more than guard.max_loss, so nothing was changed; --accept-loss accepts it"


class Way(Protocol):
    """The way from the configuration in use to another one (`Transition`)."""

    def build(self, config: Config) -> Built:
        """Do all that can fail, and change nothing. Raises ConfigError."""

    def weigh(self, built: Built) -> Callable[[], list[Loss]]:
        """What would be lost and is too much to be taken for meant; work for a thread."""

    async def perform(self, built: Built) -> None:
        """Bring it into use."""

    async def depart(self) -> None:
        """Have the sources go whose time has come."""


class ReloadObserver(Protocol):
    """Is told of every reload."""

    def succeeded(self) -> None:
        """A configuration has come into use."""

    def failed(self) -> None:
        """One was read and is not in use."""


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What came of a reload."""

    at: float
    """Unix time."""
    ok: bool
    """Whether the configuration is in use."""
    error: str = ""
    """Why it is not, whole."""
    losses: tuple[str, ...] = ()
    """What it would take, line by line, where that is why; the operator can accept it."""


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """Which configuration is in use."""

    loaded: float
    """Unix time when it was read."""
    last_reload: ReloadOutcome | None
    """None before the first one."""


class Reloader:
    """Takes requests for reloads, and performs them one after the other while `run` runs."""

    def __init__(self, read: Callable[[], Config], transition: Way, observer: ReloadObserver) -> None:
        """Go by the configuration that the transition begins with.

        Args:
            read: reads the file anew, with every check; called in a thread. Raises `ConfigError`.
            transition: knows the way.
            observer: is told what came of it.
        """
        self._read = read
        self._transition = transition
        self._observer = observer
        self._executor = ThreadPoolExecutor(1, "reload")
        self._asked: dict[bool, asyncio.Future[ReloadOutcome]] = {}
        self._wake = asyncio.Event()
        self._report = ReloadReport(time.time(), None)
        observer.succeeded()

    @property
    def report(self) -> ReloadReport:
        """Which configuration is in use, and what came of the last attempt to have another."""
        return self._report

    def ask(self, *, accept_loss: bool = False) -> asyncio.Future[ReloadOutcome]:
        """Have the file read again, after a reload that is under way; who asks meanwhile gets the same one."""
        if accept_loss not in self._asked:
            self._asked[accept_loss] = asyncio.get_running_loop().create_future()
        self._wake.set()
        return self._asked[accept_loss]

    async def run(self) -> None:
        """Perform what is asked for, and have removed sources go in time, until cancelled."""
        try:
            while True:
                await self._asked_or_time()
                for accept_loss in list(self._asked):
                    future = self._asked.pop(accept_loss)
                    outcome = await self._reload(accept_loss=accept_loss)
                    if not future.done():
                        future.set_result(outcome)
                await self._transition.depart()
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def _asked_or_time(self) -> None:
        try:
            async with asyncio.timeout(INTERVAL):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _reload(self, *, accept_loss: bool) -> ReloadOutcome:
        try:
            config = await self._in_thread(self._read)
            built = self._transition.build(config)
        except ConfigError as error:
            return self._refused(ReloadOutcome(time.time(), ok=False, error=str(error)))
        losses = await self._in_thread(self._transition.weigh(built))
        if losses and not accept_loss:
            return self._refused(_too_much(losses))
        await self._transition.perform(built)
        self._observer.succeeded()
        outcome = ReloadOutcome(time.time(), ok=True)
        self._report = ReloadReport(outcome.at, outcome)
        return outcome

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _refused(self, outcome: ReloadOutcome) -> ReloadOutcome:
        self._observer.failed()
        self._report = ReloadReport(self._report.loaded, outcome)
        log.error("config.reload_failed", extra={"error": outcome.error, "losses": list(outcome.losses)})
        return outcome


def _too_much(losses: Sequence[Loss]) -> ReloadOutcome:
    lines = tuple(line for loss in losses for line in loss.lines())
    return ReloadOutcome(time.time(), ok=False, error=TOO_MUCH, losses=lines)
