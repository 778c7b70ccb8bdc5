"""How old is what is known of a source: bookkeeping of when each of its reads last succeeded, without a clock."""

from dataclasses import dataclass

from bridge.poll import Poll


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A point in time; ordered by what does not jump."""

    monotonic: float
    """For measuring."""
    wall: float
    """Unix time, for people."""


@dataclass(slots=True)
class Read:
    """One read of a source, by its `supervise` name."""

    inherited: Moment | None
    """How fresh the source was when this read began: what counts until it has succeeded."""
    vital: bool = True
    """Whether the source is only as fresh as this read."""
    last: Moment | None = None
    """When it last succeeded; None when it never has."""
    poll: Poll | None = None
    """What its last pass cost, where it polls."""

    @property
    def fresh(self) -> Moment | None:
        """What it adds to the freshness of the source."""
        return self.last or self.inherited


class Freshness:
    """The reads that a source consists of at the moment, and how fresh all of it is.

    A source is as fresh as its oldest read: one place that is read every few seconds must not hide that another one
    has not been read for a day. A read that begins, such as that of a service that is new, neither ages nor freshens
    the source; one that ends leaves it as it was until something succeeds. The adapter's own `run`, which has no name,
    counts while there is no other read.
    """

    def __init__(self) -> None:
        self.reads: dict[str, Read] = {}
        """Those that run now, by name; not the adapter's own `run`."""
        self._settled: Moment | None = None

    @property
    def oldest(self) -> Moment | None:
        """How fresh the source is; None while part of it was never read."""
        moments = [read.fresh for read in self.reads.values() if read.vital]
        if not moments:
            return self._settled
        known = [moment for moment in moments if moment is not None]
        return min(known) if len(known) == len(moments) else None

    def begin(self, name: str, *, vital: bool = True) -> Read:
        """A read begins, perhaps before an earlier one of that name has ended; returns what to end it by."""
        read = Read(self.oldest, vital)
        if name:
            self.reads[name] = read
        return read

    def end(self, name: str, read: Read) -> None:
        """A read is over."""
        if self.reads.get(name) is read:
            del self.reads[name]

    def succeed(self, name: str, moment: Moment) -> None:
        """A read succeeded."""
        read = self.reads.get(name)
        if read:
            read.last = moment
        if read is None or read.vital:
            self._settled = moment
            self._settled = self.oldest

    def polled(self, name: str, poll: Poll) -> None:
        """A read tells what its last pass cost."""
        if name in self.reads:
            self.reads[name].poll = poll
