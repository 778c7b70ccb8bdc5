"""The operator's verbs: each looks whether what is asked can be done, does it, and tells the audit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from bridge.errors import BridgeError
from bridge.merge import Service
from bridge.model import EndpointKey, Health, ServiceName, SourceName
from bridge.operator.audit import Action, Audit, Who
from bridge.operator.drain import Drain, Drains, Target, parse_key
from bridge.operator.pause import Pause, Pauses
from bridge.problem import nearest
from bridge.registry import Registry
from bridge.wording import some, utc

_AVAILABLE = frozenset({Health.HEALTHY, Health.UNKNOWN, Health.DEGRADED})
_NAMED = 10

EVERYTHING = "every source"
"""What the trail calls a pause that covers the sources that come."""


class UnknownError(BridgeError):
    """There is no such source, service or endpoint."""


class NothingToDoError(BridgeError):
    """What was to be ended is not there, so nothing was changed."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a change came to, for the person who asked for it."""

    message: str
    warnings: tuple[str, ...] = ()


class Aged(Protocol):
    """What was kept of sources over a restart, and is too old to be served without a word (`Restoration`)."""

    @property
    def aged(self) -> frozenset[SourceName]:
        """The sources of which there is something."""

    def accept(self, source: SourceName) -> int:
        """Serve what there is of a source; returns how many endpoints."""


class Hand:
    """Changes what is served, because a person says so. On the event loop only; each verb is done when it returns.

    Args:
        registry: what the sources say.
        pauses: the sources that are not heard.
        drains: what gets no new requests.
        aged: what is known of sources and not served.
        audit: is told of every change.
    """

    def __init__(
        self,
        registry: Registry,
        pauses: Pauses,
        drains: Drains,
        aged: Aged,
        audit: Audit,
    ) -> None:
        self._registry = registry
        self._pauses = pauses
        self._drains = drains
        self._aged = aged
        self._audit = audit

    def pause(self, source: str | None, who: Who) -> Done:
        """Freeze what is served of a source, or of every source (None), those included that a reload adds.

        Raises:
            UnknownError: there is no such source.
        """
        asked = self._sources(source)
        fresh = [name for name in asked if not self._pauses.paused(name)]
        for name in fresh:
            self._pauses.pause(name, who.user)
            self._audit.record(Action.PAUSE, name, who, {})
        covered = source is None and self._pauses.pause_those_to_come(who.user)
        if covered:
            self._audit.record(Action.PAUSE, EVERYTHING, who, {})
        before = [pause for pause in self._pauses.all() if pause.source in asked and pause.source not in fresh]
        lines = [f"paused {', '.join(fresh)}: what is served of it stays as it is"] if fresh else []
        lines += [f"{pause.source} was paused before, {_pause_text(pause)}" for pause in before]
        if covered:
            lines.append("sources that a reload adds are paused as well, and nothing goes or changes by time")
        return Done("\n".join(lines), tuple(self._frozen_empty(fresh)))

    def resume(self, source: str | None, who: Who) -> Done:
        """Serve a paused source, or all of them (None), as it is now; what vanished passes the guard.

        Raises:
            UnknownError: there is no such source.
            NothingToDoError: it is not paused, or none is.
        """
        asked = self._sources(source)
        paused = [name for name in asked if self._pauses.paused(name)]
        if not paused:
            raise NothingToDoError(f"{source} is not paused" if source is not None else "no source is paused")
        for name in paused:
            pause = self._pauses.resume(name, who.user)
            self._audit.record(Action.RESUME, name, who, {"paused_by": pause.by, "since": pause.since})
        return Done(
            f"resumed {', '.join(paused)}; what vanished meanwhile passes the guard "
            "(`xds-bridge guard list` shows what is held)"
        )

    def drain(self, target: str, length: float, who: Who) -> Done:
        """Send no new requests to a service or to an address and port, for so many seconds.

        Raises:
            UnknownError: there is no such service, or no service has such an endpoint.
        """
        found = self._target(target)
        drain = self._drains.start(found, length, who.user)
        services = self._concerned(found)
        self._registry.touch(services)
        self._audit.record(Action.DRAIN, str(found), who, {"for": length, "until": drain.until, "services": services})
        where = f" in {', '.join(services)}" if isinstance(found, EndpointKey) else ""
        return Done(f"{found} drains{where} until {utc(drain.until)}", tuple(self._left_without(services)))

    def undrain(self, target: str, who: Who) -> Done:
        """End a drain.

        Raises:
            NothingToDoError: exactly this is not drained.
        """
        names = {str(drain.target): drain for drain in self._drains.all()}
        found = names.get(target) or names.get(str(parse_key(target)))
        if found is None:
            raise NothingToDoError(
                f"{target[:255]} is not drained by an operator{nearest(target, names, 'drained are')}"
            )
        self._drains.stop(found.target)
        self._registry.touch(self._concerned(found.target))
        self._audit.record(Action.UNDRAIN, str(found.target), who, {"drained_by": found.by, "until": found.until})
        return Done(f"{found.target} is served again as its sources say")

    def release(self, source: str, who: Who) -> Done:
        """Let go of all endpoints of a source that the guard holds, or serve what was kept of it and is too old.

        Raises:
            UnknownError: there is no such source.
            NothingToDoError: nothing of it is held, or it is paused.
        """
        (name,) = self._sources(source)
        if pause := self._pauses.paused(name):
            raise NothingToDoError(f"{name} is paused, {_pause_text(pause)}; resume it first")
        if name in self._aged.aged:
            endpoints = self._aged.accept(name)
            self._audit.record(Action.RELEASE, name, who, {"endpoints": endpoints, "too_old": True})
            return Done(f"serving {endpoints} endpoints of {name} as they were kept, until it has been read")
        holds = self._registry.holds(name)
        if not holds:
            raise NothingToDoError(f"nothing of {name} is held")
        services = sorted({service for hold in holds for service in hold.services})
        endpoints = self._registry.release(name)
        self._audit.record(Action.RELEASE, name, who, {"endpoints": endpoints, "services": services[:_NAMED]})
        shown = some(services, _NAMED)
        return Done(f"released {endpoints} endpoints of {name}, in {shown}")

    def expire(self) -> None:
        """End the drains that are over. Called about once a second."""
        for drain in self._drains.expire():
            self._audit.expired(drain)
            self._registry.touch(self._concerned(drain.target))

    def paused(self, source: SourceName) -> Pause | None:
        """The pause of a source; None when it is heard."""
        return self._pauses.paused(source)

    def reported(self, source: SourceName) -> int:
        """How many endpoints a paused source reports, whatever is served of it."""
        return self._pauses.reported(source)

    def pauses(self) -> tuple[Pause, ...]:
        """Every pause."""
        return self._pauses.all()

    def drains(self) -> tuple[Drain, ...]:
        """Every drain."""
        return self._drains.all()

    def too_old(self) -> frozenset[SourceName]:
        """The sources of which something was kept that is too old to be served without an operator's word."""
        return self._aged.aged

    def _sources(self, source: str | None) -> tuple[SourceName, ...]:
        names = self._registry.sources
        if source is None:
            return names
        if source not in names:
            raise UnknownError(f"there is no source {source[:255]!r}{nearest(source, names)}")
        return (SourceName(source),)

    def _target(self, text: str) -> Target:
        services = self._registry.services()
        if text in services:
            return ServiceName(text)
        key = parse_key(text)
        if key is None:
            hint = nearest(text, services)
            raise UnknownError(f"there is no service {text[:255]!r}{hint} (an endpoint is written as IP:PORT)")
        if not self._concerned(key):
            keys = (each.endpoint.key for service in services.values() for each in service.endpoints)
            near = {str(known) for known in keys if known.address == key.address}
            raise UnknownError(f"no service has an endpoint {key}{nearest(str(key), near)}")
        return key

    def _concerned(self, target: Target) -> list[ServiceName]:
        """The services, of those that there are, in which something is to be drained."""
        if isinstance(target, EndpointKey):
            return self._registry.at(target)
        return [target] if target in self._registry.services() else []

    def _frozen_empty(self, sources: list[SourceName]) -> Iterator[str]:
        for source in sources:
            if not self._registry.statistics(source).served:
                yield f"nothing is served of {source}, and that stays so until it is resumed"

    def _left_without(self, services: list[ServiceName]) -> Iterator[str]:
        """What is to be said of services in which nothing is left that could take the requests."""
        for name in services:
            service = self._registry.foreseen(name)
            if not service.endpoints:
                yield f"{name} has no endpoint now; those that come until then drain as well"
            elif not any(each.endpoint.health in _AVAILABLE for each in service.endpoints):
                yield _consequence(service)


def _consequence(service: Service) -> str:
    """What Envoy does with a service in which nothing is healthy any more."""
    others = sum(each.endpoint.health is not Health.DRAINING for each in service.endpoints)
    if others:
        return f"{service.name} is left with {others} unhealthy endpoints, which get all requests"
    return (
        f"all of {service.name} drains, so Envoy sends requests on to it rather than refuse them "
        "(its panic; refused where healthy_panic_threshold is 0)"
    )


def _pause_text(pause: Pause) -> str:
    return f"since {utc(pause.since)} by {pause.by}"
