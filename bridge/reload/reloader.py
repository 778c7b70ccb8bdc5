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

    async def build(self, config: Config) -> Built:
        """Do all that can fail, and change nothing. Raises ConfigError."""

    async def weigh(self, built: Built) -> Callable[[], list[Loss]]:
        """What would be lost and is too much to be taken for meant; work for a thread."""

    async def perform(self, built: Built, by: str) -> str:
        """Bring it into use, because somebody asked for it; returns what that was, in a line for a person."""

    def hasten(self) -> None:
        """Have nobody be on the way out without end."""

    async def depart(self) -> None:
        """Have the sources go whose time has come."""


class ReloadObserver(Protocol):
    """Is told of every reload."""

    def began(self) -> None:
        """The configuration is read again."""

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
    by: str
    """Who asked for it."""
    done: str = ""
    """What came into use."""
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


@dataclass(frozen=True, slots=True)
class _Request:
    """What any number of people have asked for."""

    outcome: asyncio.Future[ReloadOutcome]
    by: list[str]


class Reloader:
    """Takes requests for reloads, and performs them one after the other while `run` runs."""

    def __init__(self, read: Callable[[], Config], transition: Way, observers: Sequence[ReloadObserver]) -> None:
        """Go by the configuration that the transition begins with.

        Args:
            read: reads the file anew, with every check; called in a thread. Raises `ConfigError`.
            transition: knows the way.
            observers: are told of each.
        """
        self._read = read
        self._transition = transition
        self._observers = observers
        self._executor = ThreadPoolExecutor(1, "reload")
        self._asked: dict[bool, _Request] = {}
        self._wake = asyncio.Event()
        self._report = ReloadReport(time.time(), None)

    @property
    def report(self) -> ReloadReport:
        """Which configuration is in use, and what came of the last attempt to have another."""
        return self._report

    def ask(self, by: str, *, accept_loss: bool = False) -> asyncio.Future[ReloadOutcome]:
        """Have the file read again, after a reload that is under way; who asks meanwhile gets the same one.

        The future belongs to all who asked: shield it from your own cancellation.

        Args:
            by: who asks, for people.
            accept_loss: go by the file whatever it takes.
        """
        if accept_loss not in self._asked:
            self._asked[accept_loss] = _Request(asyncio.get_running_loop().create_future(), [])
        request = self._asked[accept_loss]
        if by not in request.by:
            request.by.append(by)
        self._wake.set()
        return request.outcome

    async def run(self) -> None:
        """Perform what is asked for, and have removed sources go in time, until cancelled."""
        try:
            while True:
                await self._asked_or_time()
                for accept_loss in list(self._asked):
                    request = self._asked.pop(accept_loss)
                    outcome = await self._reload(" and ".join(request.by), accept_loss=accept_loss)
                    if not request.outcome.done():
                        request.outcome.set_result(outcome)
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

    async def _reload(self, by: str, *, accept_loss: bool) -> ReloadOutcome:
        for observer in self._observers:
            observer.began()
        try:
            built, losses = await self._tried()
        except ConfigError as error:
            return self._refused(ReloadOutcome(time.time(), ok=False, by=by, error=str(error)))
        except Exception as error:  # noqa: BLE001 (of a stranger's adapter or of ours, and nothing was changed so far)
            return self._refused(ReloadOutcome(time.time(), ok=False, by=by, error=_crashed(error)), error)
        if losses and not accept_loss:
            lines = tuple(line for loss in losses for line in loss.lines())
            return self._refused(ReloadOutcome(time.time(), ok=False, by=by, error=TOO_MUCH, losses=lines))
        if accept_loss:
            self._transition.hasten()  # before a source that this reload renames is on its way out
        done = await self._transition.perform(built, by)
        outcome = ReloadOutcome(time.time(), ok=True, by=by, done=done)
        self._report = ReloadReport(outcome.at, outcome)
        for observer in self._observers:
            observer.succeeded()
        return outcome

    async def _tried(self) -> tuple[Built, list[Loss]]:
        """All that can fail; nothing is changed."""
        built = await self._transition.build(await self._in_thread(self._read))
        return built, await self._in_thread(await self._transition.weigh(built))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _refused(self, outcome: ReloadOutcome, bug: Exception | None = None) -> ReloadOutcome:
        self._report = ReloadReport(self._report.loaded, outcome)
        for observer in self._observers:
            observer.failed()
        fields = {"error": outcome.error, "losses": list(outcome.losses), "by": outcome.by}
        log.error("config.reload_failed", extra=fields, exc_info=bug)
        return outcome


def _crashed(error: Exception) -> str:
    return f"a bug, in the bridge or in an adapter ({error!r}; the log has more), so nothing was changed"
