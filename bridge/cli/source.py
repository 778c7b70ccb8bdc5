"""A source of a running bridge, as its API describes it, and in a few words."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from bridge.wording import counted, some, utc

_NAMED = 3
"""Reads that are named."""


class Failure(BaseModel):
    """That a read fails."""

    reading: str
    error: str
    since: float


class Poll(BaseModel):
    """What a pass of a read costs."""

    place: str
    calls: Mapping[str, int]
    configured_interval: float
    interval: float
    budget: float


class Reading(BaseModel):
    """One of the reads of a source."""

    name: str
    seconds_since_success: float | None
    failing_since: float | None
    poll: Poll | None


class Hold(BaseModel):
    """What the guard does not let go."""

    reason: str
    detail: str
    since: float
    endpoints: int
    services: tuple[str, ...]
    until: float | None
    goes: str

    @property
    def named(self) -> str:
        """The first of its services, and how many others there are."""
        return some(self.services, _NAMED)


class HoldOf(Hold):
    """The same, of a source."""

    source: str


class Paused(BaseModel):
    """That an operator has paused it."""

    since: float
    by: str
    reported: int


class Source(BaseModel):
    """One of `/api/v1/sources`."""

    name: str
    type: str
    required: bool
    last_success: float | None
    seconds_since_success: float | None
    stale: bool
    failures: tuple[Failure, ...]
    readings: tuple[Reading, ...]
    crashes: int
    services: int
    endpoints: Mapping[str, int]
    set_aside: int
    held: tuple[Hold, ...]
    restored: int
    leaving: bool
    paused: Paused | None


class Sources(BaseModel):
    """`/api/v1/sources`."""

    sources: tuple[Source, ...]


def states(source: Source) -> Iterator[str]:
    """How it is."""
    if source.failures:
        yield f"failing since {utc(min(failure.since for failure in source.failures))}"
    if source.paused:
        reported = f"has {counted(source.paused.reported, 'endpoint')} by now"
        yield f"paused since {utc(source.paused.since)} by {source.paused.by}, {reported}"
    if source.leaving:
        yield "leaving"
    if source.restored:
        yield f"{counted(source.restored, 'endpoint')} restored from before the restart"
    if not (source.failures or source.paused):
        yield "stale" if source.stale else "fresh" if source.last_success else _unread(source)
    if source.crashes:
        yield f"restarted {counted(source.crashes, 'time')} after a bug in its adapter"


def healths(endpoints: Mapping[str, int]) -> str:
    """Endpoints by health, those of which there are some."""
    return ", ".join(f"{count} {health}" for health, count in endpoints.items() if count) or "none"


def _unread(source: Source) -> str:
    """Of which of its reads nothing has come yet; those that wait for changes may take as long as there is none."""
    waiting = [each.name for each in source.readings if each.seconds_since_success is None]
    if not waiting or len(waiting) == len(source.readings):
        return "not read yet"
    return f"fresh, but for {some(waiting, _NAMED)}, not answered yet"
