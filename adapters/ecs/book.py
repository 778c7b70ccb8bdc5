"""What is known of the tasks of one cluster, and what may change it: evidence, and never an absence.

A pure state machine over reads. A task leaves when it is described as ended or as missing, and not because a list or an
answer lacks it: lists of AWS are paged without a snapshot, and lag behind (CONTRIBUTING.md, first law).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from adapters._address import one_per_address
from adapters.ecs.address import Surroundings
from adapters.ecs.lifecycle import Phase, merged, phase
from adapters.ecs.mapping import Mapper, Targets, unreadable
from adapters.ecs.payload import Task
from bridge.model import Entry, InstanceId, ServiceName

REMEMBERED = 3600.0
"""Seconds for which an ended task is remembered, so that no older read brings it back; ECS forgets it by then."""

Services = Mapping[ServiceName, frozenset[Entry]]

Surround = Callable[[Task], Surroundings | str | None]
"""What there is to know around a task; a reason where it can never be told, None where it cannot be told now."""


@dataclass(slots=True)
class _Known:
    task: Task
    read: Task
    """As it was described last, which is the same most of the time."""
    draining_since: float | None = None
    over: bool = False
    """It drains for longer than anybody waits."""
    basis: tuple[Task, Surroundings | str] | None = None
    """What `targets` were made of."""
    targets: Targets = field(default_factory=dict)
    instances: frozenset[InstanceId] = frozenset()


@dataclass(frozen=True, slots=True)
class Report:
    """What the sink is to be told."""

    services: Services
    ended: frozenset[InstanceId]
    """Instances that were described as ended, or as serving nothing any more, since the last report."""


class Book:
    """Takes what ECS describes; tells what is to be served."""

    def __init__(self, mapper: Mapper) -> None:
        """Know nothing.

        Args:
            mapper: translates tasks.
        """
        self._mapper = mapper
        self._known: dict[str, _Known] = {}
        self._ended: dict[str, float] = {}
        self._parts: dict[ServiceName, dict[str, frozenset[Entry]]] = {}
        self._services: dict[ServiceName, frozenset[Entry]] = {}
        self._dirty: set[ServiceName] = set()
        self._evidence: set[InstanceId] = set()
        self._changed = True

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that are known and have not ended."""
        return tuple(known.task for known in self._known.values())

    @property
    def known(self) -> Iterator[tuple[Task, Targets, bool]]:
        """Those tasks, each with what it was made of, and whether it drains for longer than anybody waits."""
        return ((known.task, known.targets, known.over) for known in self._known.values())

    def has(self, arn: str, version: int) -> bool:
        """Whether a task has ended, or was described after so many things had happened to it; 0 is not known."""
        known = self._known.get(arn)
        return arn in self._ended or (known is not None and 0 < version <= known.read.version)

    def to_describe(self, listed: Iterable[str]) -> tuple[str, ...]:
        """The ARNs to ask for: all that are listed or known, but those known to have ended."""
        return tuple(sorted((self._known.keys() | set(listed)) - self._ended.keys()))

    def take(self, tasks: Iterable[Task], missing: Collection[str], now: float) -> None:
        """Take what one `DescribeTasks` said.

        Args:
            tasks: as described.
            missing: ARNs that it says do not exist.
            now: monotonic time in seconds.
        """
        for task in tasks:
            if task.task_arn not in self._ended:
                self._take(task, now)
        for arn in missing:
            self._forget(arn)
        self._ended = {arn: when for arn, when in self._ended.items() if now - when < REMEMBERED}

    def translate(self, tasks: Iterable[Task], surround: Surround, now: float) -> None:
        """Work out what tasks serve, where something has changed; one of which it cannot be told keeps what it had."""
        for task in tasks:
            known = self._known.get(task.task_arn)
            if known is None:
                continue
            if known.draining_since is not None and now - known.draining_since >= self._mapper.config.drain_max:
                self._serve(task.task_arn, known, {}, evidence=False)  # a timer proves nothing
                known.over = True
            around = surround(known.task)
            if known.over or around is None or known.basis == (known.task, around):
                continue
            known.basis = (known.task, around)
            targets = (
                unreadable(known.task, around) if isinstance(around, str) else self._mapper.task(known.task, around)
            )
            self._serve(task.task_arn, known, targets)

    def end(self) -> None:
        """The whole cluster is known to be gone."""
        for arn in tuple(self._known):
            self._forget(arn)

    def settle(self) -> Iterator[None]:
        """Put together the services that have changed, one at each step: there may be thousands."""
        while self._dirty:
            service = self._dirty.pop()
            self._changed = True
            parts = self._parts.get(service)
            if parts is None:
                self._services.pop(service, None)
            else:
                self._services[service] = one_per_address(entry for part in parts.values() for entry in part)
            yield

    def report(self, *, anew: bool) -> Report | None:
        """What is served now, each service once; None when that is what was reported last.

        Args:
            anew: report in any case.
        """
        for _ in self.settle():
            pass
        if not (anew or self._changed or self._evidence):
            return None
        report = Report(dict(self._services), frozenset(self._evidence))
        self._evidence.clear()
        self._changed = False
        return report

    def _take(self, read: Task, now: float) -> None:
        known = self._known.get(read.task_arn)
        if known is not None and known.read == read:
            return
        task = merged(known.task, read) if known else read
        if phase(task) is Phase.ENDED:
            self._ended[read.task_arn] = now
            self._forget(read.task_arn)
            return
        if known is None:
            known = self._known[read.task_arn] = _Known(task, read)
        elif known.task != task:
            known.task = task  # the same object for as long as it says the same
        known.read = read
        if known.draining_since is None and phase(task) is Phase.DRAINING:
            known.draining_since = now

    def _forget(self, arn: str) -> None:
        known = self._known.pop(arn, None)
        if known is not None:
            self._serve(arn, known, {})

    def _serve(self, arn: str, known: _Known, targets: Targets, *, evidence: bool = True) -> None:
        for service in known.targets.keys() | targets.keys():
            before, after = known.targets.get(service), targets.get(service)
            if before == after:
                continue
            self._dirty.add(service)
            if after is not None:
                self._parts.setdefault(service, {})[arn] = after
            else:
                del self._parts[service][arn]
                if not self._parts[service]:
                    del self._parts[service]
        known.targets = targets
        if not evidence:
            return  # its instances have not been described as ended, so that is still to be told
        instances = frozenset(entry.instance for entries in targets.values() for entry in entries)
        self._evidence |= known.instances - instances
        self._evidence -= instances
        known.instances = instances
