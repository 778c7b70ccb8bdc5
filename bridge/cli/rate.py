"""What polling costs by the hour, held against the budget and against what the source's side lets be called."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridge.model import SourceName
from bridge.poll import Bucket, Poll

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class PlaceRate:
    """What one source asks of one place."""

    place: str
    source: str
    calls: int
    """Of one pass over everything in the place."""
    configured: float
    """Seconds between two passes as the operator wants it."""
    interval: float
    """Seconds between two passes as it comes to be; longer when the place would be asked for more than its budget."""
    hourly: float
    """Calls an hour at the configured interval."""
    used: float
    """What part of the budget of the place all sources together would use, at the configured intervals; 1 is all."""


@dataclass(frozen=True, slots=True)
class BucketRate:
    """What all sources together take out of one bucket of a place, at the configured intervals."""

    place: str
    bucket: Bucket
    hourly: float
    """Calls an hour."""

    @property
    def used(self) -> float:
        """What part of what comes back; 1 is all."""
        return self.hourly / HOUR / self.bucket.refill


def places(polls: Mapping[SourceName, Sequence[Poll]]) -> Iterator[PlaceRate]:
    """What each source asks of each place, sorted by place; `polls` are those of each source by its name."""
    everywhere = defaultdict(list)
    for source, found in polls.items():
        for poll in found:
            everywhere[poll.place].append((source, poll))
    for place, found_there in sorted(everywhere.items()):
        wanted = sum(poll.count / poll.configured for _, poll in found_there)
        used = wanted / min(poll.budget for _, poll in found_there)
        for source in dict.fromkeys(source for source, _ in found_there):
            yield _place(place, source, [poll for name, poll in found_there if name == source], used)


def buckets(polls: Iterable[Poll]) -> Iterator[BucketRate]:
    """What is taken out of each bucket that is known, sorted by place."""
    taken: dict[tuple[str, Bucket], float] = defaultdict(float)
    for poll in polls:
        for calls in poll.calls:
            if calls.bucket is not None:
                taken[poll.place, calls.bucket] += calls.count / poll.configured
    for (place, bucket), rate in sorted(taken.items()):
        yield BucketRate(place, bucket, rate * HOUR)


def _place(place: str, source: str, polls: Sequence[Poll], used: float) -> PlaceRate:
    configured = max(poll.configured for poll in polls)
    return PlaceRate(
        place=place,
        source=source,
        calls=sum(poll.count for poll in polls),
        configured=configured,
        interval=max(configured * max(1.0, used), *(poll.interval for poll in polls)),
        hourly=sum(poll.count / poll.configured for poll in polls) * HOUR,
        used=used,
    )
