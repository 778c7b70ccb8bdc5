"""One of `/api/v1/sources`: how reading a source goes, and what it contributes. Times are Unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.admin.hold import HoldDocument, documents
from bridge.admin.view import ListedSource, View
from bridge.model import Health
from bridge.outage import Failure
from bridge.poll import Poll
from bridge.supervisor import SourceStatus


@dataclass(frozen=True, slots=True)
class PausedDocument:
    """That a source is paused, and how many endpoints it has by now."""

    since: float
    by: str
    reported: int


@dataclass(frozen=True, slots=True)
class PollDocument:
    """What a pass of a read that polls costs."""

    place: str
    """What the source's side counts calls by; reads of one place share its budget."""
    calls: Mapping[str, int]
    """Of the last pass, by operation."""
    configured_interval: float
    interval: float
    """Seconds between two passes now."""
    budget: float
    """Calls per second in the place, of all sources together."""


@dataclass(frozen=True, slots=True)
class ReadingDocument:
    """One of the reads that a source consists of, each of which can fail alone; sorted by name."""

    name: str
    last_success: float | None
    seconds_since_success: float | None
    failing_since: float | None
    """None while it does not fail."""
    poll: PollDocument | None


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """One of `/api/v1/sources`, which lists them in the order of the configuration, their precedence."""

    name: str
    type: str
    required: bool
    last_success: float | None
    """Of the read that succeeded the longest ago; null while one never has."""
    seconds_since_success: float | None
    stale: bool
    """Whether that is longer ago than it should be for how it is read, although perhaps nothing fails."""
    failures: tuple[Failure, ...]
    readings: tuple[ReadingDocument, ...]
    crashes: int
    services: int
    endpoints: Mapping[str, int]
    """By health."""
    set_aside: int
    held: tuple[HoldDocument, ...]
    """What it no longer reports and is served all the same, and why."""
    restored: int
    """Endpoints known from an earlier process, while it has not been read since."""
    leaving: bool
    """Whether it was taken out of the configuration, and is read until what takes its place has been read."""
    paused: PausedDocument | None
    """While it is paused, all the counts here are of what is served."""


def document(view: View, listed: ListedSource) -> SourceDocument:
    """How reading a source goes, and what it contributes."""
    status, counts = view.reading.status(listed.name), view.knowledge.statistics(listed.name)
    return SourceDocument(
        name=listed.name,
        type=listed.type,
        required=listed.required,
        last_success=status.last_success,
        seconds_since_success=status.age,
        stale=status.stale,
        failures=status.failures,
        readings=_readings(status),
        crashes=status.crashes,
        services=counts.services,
        endpoints={health.value: counts.endpoints.get(health, 0) for health in Health},
        set_aside=counts.set_aside,
        held=tuple(documents(view, listed.name)),
        restored=counts.restored,
        leaving=listed.leaving,
        paused=_paused(view, listed),
    )


def _paused(view: View, listed: ListedSource) -> PausedDocument | None:
    pause = view.operation.paused(listed.name)
    return PausedDocument(pause.since, pause.by, view.operation.reported(listed.name)) if pause else None


def _readings(status: SourceStatus) -> tuple[ReadingDocument, ...]:
    since = {failure.reading: failure.since for failure in status.failures}
    return tuple(
        ReadingDocument(each.name, each.last_success, each.age, since.get(each.name), _poll(each.poll))
        for each in status.readings
    )


def _poll(poll: Poll | None) -> PollDocument | None:
    if poll is None:
        return None
    calls = {each.operation: each.count for each in poll.calls}
    return PollDocument(poll.place, calls, poll.configured, poll.interval, poll.budget)
