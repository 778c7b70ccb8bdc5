"""What one scope of one source says about one service, and what it said before and is not believed to be gone."""

from collections.abc import Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bridge.clock import Moment
from bridge.merge import Origin, Report, Standing
from bridge.model import Endpoint, EndpointKey, Entry, InstanceId, Scope, SourceName

Identity = tuple[EndpointKey, InstanceId]

NOTHING: frozenset[Entry] = frozenset()


@dataclass(frozen=True, slots=True)
class Kept:
    """An endpoint that is served although the last read does not show it."""

    endpoint: Endpoint
    since: Moment
    """Of its first report."""
    missing: Moment | None = None
    """Since when complete reads lack it; None while there was none: it is known from an earlier process."""
    emptied: bool = False
    """Whether it went when the source had nothing any more: that says nothing of it, however long ago it was."""

    @property
    def standing(self) -> Standing:
        """What to call it."""
        return Standing.HELD if self.missing else Standing.RESTORED


class Gone(NamedTuple):
    """Endpoints that a read made an end of."""

    ended: list[Kept]
    """The source named them as ended."""
    replaced: list[Endpoint]
    """Another instance has their address now."""


@dataclass(slots=True)
class Part:
    """Reported entries, and kept endpoints."""

    entries: frozenset[Entry] = NOTHING
    since: Mapping[Identity, Moment] = field(default_factory=dict)
    """When each reported endpoint was first reported, without a gap since."""
    kept: Mapping[Identity, Kept] = field(default_factory=dict)
    named: bool = True
    """Whether the scope still names the service."""

    @property
    def missing(self) -> int:
        """How many kept endpoints complete reads lack."""
        return sum(one.missing is not None for one in self.kept.values())

    @property
    def emptied(self) -> int:
        """How many of these went when the source had nothing any more."""
        return sum(one.emptied for one in self.kept.values())

    def take(self, entries: frozenset[Entry], ended: Collection[InstanceId], now: Moment, *, complete: bool) -> Gone:
        """Have a read replace what was reported; what it lacks is kept as missing, unless it has ended.

        Args:
            entries: all that is reported now.
            ended: instances that the source names as ended.
            now: when it was read.
            complete: whether an absence says anything; if not, what is kept stays as it is.

        Returns:
            Those that are not kept.
        """
        read = {identity(entry) for entry in entries if isinstance(entry, Endpoint)}
        addresses, instances = {key for key, _ in read}, {instance for _, instance in read if instance}
        kept: dict[Identity, Kept] = {}
        gone = Gone([], [])
        for before in (*self._unreported(read), *self.kept.values()):
            endpoint = before.endpoint
            if endpoint.key in addresses:
                if identity(endpoint) not in read:
                    gone.replaced.append(endpoint)
                continue
            if endpoint.instance in ended:
                gone.ended.append(before)
                continue
            if complete and before.missing is None:
                before = replace(before, missing=now)  # noqa: PLW2901 (the same endpoint, from now on missing)
            elif complete and before.emptied and endpoint.instance in instances:
                # It is back, elsewhere: so this read does say something of where it was.
                before = replace(before, missing=now, emptied=False)  # noqa: PLW2901
            kept[identity(endpoint)] = before
        self.since = {one: self._known_since(one, now) for one in read}
        self.entries = entries
        self.kept = kept
        return gone

    def snapshot(self) -> "Part":
        """The part as it is now, for another thread: what is in it is replaced when it changes."""
        return replace(self)

    def without(self, served: AbstractSet[tuple[str, int]]) -> "Part":
        """The same but for endpoints with these addresses and ports."""
        left = (each for each in self.entries if isinstance(each, Endpoint) and (each.address, each.port) not in served)
        kept = {one: each for one, each in self.kept.items() if (one[0].address, one[0].port) not in served}
        return replace(self, entries=frozenset(left), kept=kept)

    def suspend(self) -> None:
        """Keep everything as something of which no read has told yet; an empty part stays named.

        What went when the source had nothing any more is held for that as before.
        """
        emptied = {one: kept for one, kept in self.kept.items() if kept.emptied}
        self.kept = {identity(endpoint): Kept(endpoint, since) for endpoint, since, _ in self.endpoints()} | emptied
        self.entries, self.since = NOTHING, {}
        self.named = not self.kept

    def forget(self) -> list[Endpoint]:
        """Hold nothing any more; returns the endpoints that are gone."""
        gone = [endpoint for endpoint, _, _ in self.endpoints()]
        self.entries, self.since, self.kept, self.named = NOTHING, {}, {}, False
        return gone

    def miss(self, now: Moment) -> None:
        """Take every restored endpoint for missing, because no read will tell of it any more."""
        restored = [one for one in self.kept.values() if one.missing is None]
        self.kept = {**self.kept, **{identity(one.endpoint): replace(one, missing=now) for one in restored}}

    def empty(self) -> None:
        """Take note that what is missing went when the source had nothing any more, unless it is back elsewhere."""
        back = {entry.instance for entry in self.entries if entry.instance}
        self.kept = {
            one: replace(kept, emptied=kept.missing is not None and kept.endpoint.instance not in back)
            for one, kept in self.kept.items()
        }

    def settled(self, ended: Collection[InstanceId], *, complete: bool) -> bool:
        """Whether another read that shows the same changes nothing of what is kept."""
        kept = self.kept.values()
        waiting = complete and any(one.missing is None for one in kept)
        return not waiting and not any(one.endpoint.instance in ended for one in kept)

    def drop(self, goes: Callable[[Kept], bool]) -> list[Kept]:
        """Let go of kept endpoints; returns which."""
        dropped = {one for one, kept in self.kept.items() if goes(kept)}
        gone = [self.kept[one] for one in dropped]
        self.kept = {one: kept for one, kept in self.kept.items() if one not in dropped}
        return gone

    def reports(self, source: SourceName, scope: Scope) -> Iterator[Report]:
        """All that is to be served of it, as said by this scope of this source."""
        for endpoint, since, standing in self.endpoints():
            yield Report(endpoint, Origin(source, scope, endpoint.instance, since.wall, standing))

    def endpoints(self) -> Iterator[tuple[Endpoint, Moment, Standing]]:
        """All that is to be served, with when it was first reported."""
        for entry in self.entries:
            if isinstance(entry, Endpoint):
                yield entry, self.since[identity(entry)], Standing.REPORTED
        for one in self.kept.values():
            yield one.endpoint, one.since, one.standing

    def _unreported(self, read: AbstractSet[Identity]) -> list[Kept]:
        if self.since.keys() <= read:
            return []
        reported = (entry for entry in self.entries if isinstance(entry, Endpoint))
        return [Kept(entry, self.since[identity(entry)]) for entry in reported if identity(entry) not in read]

    def _known_since(self, one: Identity, otherwise: Moment) -> Moment:
        if one in self.since:
            return self.since[one]
        return self.kept[one].since if one in self.kept else otherwise


def identity(endpoint: Endpoint) -> Identity:
    """What makes it this endpoint and no other within a part."""
    return (endpoint.key, endpoint.instance)
