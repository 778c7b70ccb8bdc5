"""Writes down in the audit trail what becomes of endpoints, and why."""

from collections.abc import Callable, Collection, Mapping

from bridge.audit import Action, Event
from bridge.model import MAX_SERVICE_NAME, Endpoint, Entry, ServiceName, SourceName
from bridge.registry.moves import Keeper
from bridge.registry.part import Identity, Kept, identity

SHOWN = ("health", "weight", "locality", "metadata", "protocol")
"""The fields of an endpoint that may change while it stays the same endpoint."""


class Scribe:
    """Turns changes of parts into events."""

    def __init__(self, record: Callable[[Event], None], clock: Callable[[], float]) -> None:
        """Write with `record`.

        Args:
            record: takes each event.
            clock: Unix time.
        """
        self._record = record
        self._clock = clock

    def read(
        self,
        keeper: Keeper,
        known: frozenset[Entry],
        kept: Mapping[Identity, Kept],
        entries: frozenset[Entry],
        *,
        complete: bool,
    ) -> None:
        """Write down what a read added and changed.

        Args:
            keeper: what was read.
            known: what was reported before.
            kept: what was kept before, although it was not reported.
            entries: what is reported now.
            complete: whether the read was a complete one.
        """
        fresh = entries - known
        if not fresh:
            return
        read = "a complete read" if complete else "a partial read"
        before = {identity(entry): entry for entry in known if isinstance(entry, Endpoint)}
        for entry in fresh:
            if not isinstance(entry, Endpoint):
                self._write(keeper, Action.SET_ASIDE, entry.reported, entry.instance, entry.reason)
                continue
            if identity(entry) in before:
                self._tell(keeper, Action.CHANGED, entry, f"{read} says {_changes(before[identity(entry)], entry)}")
            elif (held := kept.get(identity(entry))) is not None:
                if held.missing or held.endpoint != entry:
                    self._tell(keeper, Action.CHANGED, entry, f"{read} shows it again")
            else:
                self._tell(keeper, Action.ADDED, entry, f"{read} shows it")

    def removed(self, keeper: Keeper, gone: Collection[Endpoint], why: str) -> None:
        """Write down that endpoints are no longer served."""
        for endpoint in gone:
            self._tell(keeper, Action.REMOVED, endpoint, why)

    def held(self, keeper: Keeper, endpoint: Endpoint, why: str) -> None:
        """Write down that an endpoint is missing and held."""
        self._tell(keeper, Action.HELD, endpoint, why)

    def restored(self, source: SourceName, endpoints: int) -> None:
        """Write down that endpoints of a source are known from an earlier process."""
        why = f"{endpoints} endpoints are known from an earlier process, and served until the source has been read"
        self._record(Event(self._clock(), Action.RESTORED, why, source))

    def refused(self, keeper: Keeper, reason: str) -> None:
        """Write down that a service cannot be served because of its name."""
        (source, scope), service = keeper
        self._record(Event(self._clock(), Action.SET_ASIDE, reason, source, scope, service[:MAX_SERVICE_NAME]))

    def gone(self, name: ServiceName, retention: float) -> None:
        """Write down that nobody names a service any more."""
        then = f"; its cluster stays, empty, for {retention:g} s" if retention else ", and its cluster goes"
        self._service(name, f"no source names it any more{then}")

    def expired(self, name: ServiceName, retention: float) -> None:
        """Write down that the cluster of a service goes, which stayed for a while."""
        self._service(name, f"its cluster goes: no source has named it for {retention:g} s")

    def _service(self, name: ServiceName, why: str) -> None:
        self._record(Event(self._clock(), Action.REMOVED, why, service=name))

    def _tell(self, keeper: Keeper, action: Action, endpoint: Endpoint, why: str) -> None:
        self._write(keeper, action, str(endpoint.key), endpoint.instance, why)

    def _write(self, keeper: Keeper, action: Action, endpoint: str, instance: str, why: str) -> None:
        (source, scope), service = keeper
        self._record(Event(self._clock(), action, why, source, scope, service, endpoint, instance))


def _changes(old: Endpoint, new: Endpoint) -> str:
    changed = [name for name in SHOWN if getattr(old, name) != getattr(new, name)]
    return ", ".join(f"{name} {_text(getattr(new, name))} in place of {_text(getattr(old, name))}" for name in changed)


def _text(value: object) -> str:
    return str(getattr(value, "value", value))
