"""Services under names that no cluster can have: each is refused alone, said once, and forgotten when it goes."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bridge.model import Scope, ServiceName, SourceName, require_service_name
from bridge.registry.moves import Keeper
from bridge.registry.sink import Place

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RefusedService:
    """A service that a source reports under a name that no cluster can have."""

    scope: Scope
    name: ServiceName
    reason: str


class Refusals:
    """What is refused, by scope of a source.

    Args:
        tell: is told of each service when it is refused, and why.
    """

    def __init__(self, tell: Callable[[Keeper, str], None]) -> None:
        self._tell = tell
        self._reasons: dict[Place, dict[ServiceName, str]] = {}

    def accepts(self, place: Place, service: ServiceName) -> bool:
        """Whether a service may be kept; if not, that is noted and logged."""
        try:
            require_service_name(service)
        except ValueError as error:
            reasons = self._reasons.setdefault(place, {})
            if service not in reasons:
                reasons[service] = str(error)
                source, scope = place
                self._tell((place, service), str(error))
                log.warning("service.refused", extra={"source": source, "scope": scope, "reason": str(error)})
            return False
        return True

    def forget(self, place: Place, service: ServiceName) -> None:
        """The scope no longer names it."""
        reasons = self._reasons.get(place, {})
        reasons.pop(service, None)
        if not reasons:
            self._reasons.pop(place, None)

    def forget_all(self, source: SourceName) -> None:
        """There is no such source any more."""
        self._reasons = {place: reasons for place, reasons in self._reasons.items() if place[0] != source}

    def names(self, place: Place) -> frozenset[ServiceName]:
        """What is refused of a scope."""
        return frozenset(self._reasons.get(place, ()))

    def of(self, source: SourceName) -> tuple[RefusedService, ...]:
        """What is refused of a source, and why."""
        found = [
            RefusedService(scope, name, reason)
            for (owner, scope), reasons in self._reasons.items()
            if owner == source
            for name, reason in reasons.items()
        ]
        return tuple(sorted(found, key=lambda each: (each.scope, each.name)))
