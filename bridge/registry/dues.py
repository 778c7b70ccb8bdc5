"""When services have to be merged anew although nobody has said anything of them."""

from collections.abc import Callable

from bridge.model import ServiceName


class Dues:
    """Knows whose time comes when, on a clock that can be stopped: then nobody's comes."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Know of nobody.

        Args:
            monotonic: seconds.
        """
        self._monotonic = monotonic
        self._due: dict[ServiceName, float] = {}
        self._stopped: float | None = None

    def now(self) -> float:
        """The time by which policies decide."""
        return self._monotonic() if self._stopped is None else self._stopped

    def note(self, service: ServiceName, due: float | None) -> None:
        """Take note of when a service is to be merged anew; None when it need not be."""
        self._due.pop(service, None)
        if due is not None:
            self._due[service] = due

    def wait(self) -> float | None:
        """Seconds until the first one's time; None when none comes."""
        due = min(self._due.values(), default=None)
        return None if due is None or self.stopped else max(0.0, due - self._monotonic())

    def take(self) -> list[ServiceName]:
        """Those whose time has come, each once."""
        now = self.now()
        found = [service for service, due in self._due.items() if due <= now]
        for service in found:
            del self._due[service]
        return found

    @property
    def stopped(self) -> bool:
        """Whether the clock is stopped."""
        return self._stopped is not None

    def stop(self, at: float | None) -> bool:
        """Stop the clock at a time, unless it is stopped, or have it go again (None); returns whether it changed."""
        if (at is not None) is self.stopped:
            return False
        self._stopped = at
        return True
