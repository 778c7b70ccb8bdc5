"""Since when each endpoint is served, and when it last changed: kept as changes are published, for people to ask.

Beside the services and not in them, so that a time never makes two equal services differ.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bridge.diff import Diff
from bridge.merge import Service
from bridge.model import Endpoint, EndpointKey, ServiceName


class Age(NamedTuple):
    """Two Unix times of a served endpoint."""

    since: float
    """From when on it is served without a gap. For what the bridge serves from its start on, the time at which its
    source first reported it, which is kept across restarts."""
    changed: float
    """When anything that is said of it (health, weight, place, metadata) last became another; no earlier than
    `since`, and counted from the bridge's start: what changed before then is not known."""


class History:
    """The ages of all that is served. A change costs what it changes, and nothing for its neighbours."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Know nothing.

        Args:
            clock: Unix time.
        """
        self._clock = clock
        self._ages: dict[ServiceName, dict[EndpointKey, Age]] = {}
        self._begun = False

    def tell(
        self, changes: Mapping[ServiceName, Diff[EndpointKey, Endpoint]], services: Mapping[ServiceName, Service]
    ) -> None:
        """Take note of a part of a publication.

        Args:
            changes: what is different in it; services that are gone have lost all endpoints.
            services: all that is served by it.
        """
        now = self._clock()
        fresh = Age(now, now)
        for name, diff in changes.items():
            ages = self._ages.setdefault(name, {})
            for key in diff.removed:
                ages.pop(key, None)
            for key in diff.changed:
                ages[key] = Age(ages[key].since, now) if key in ages else fresh
            if diff.added:
                ages.update(dict.fromkeys(diff.added, fresh) if self._begun else _reported(services[name]))
            if not ages:
                del self._ages[name]

    def published(self) -> None:
        """Take what is told from here on for new at that moment: Envoys are answered."""
        self._begun = True

    def of(self, service: ServiceName) -> Mapping[EndpointKey, Age]:
        """The ages of the endpoints of a service at this moment; a copy."""
        return dict(self._ages.get(service, ()))


def _reported(service: Service) -> dict[EndpointKey, Age]:
    """What is served from the start on is as old as the first report of it."""
    ages = {}
    for served in service.endpoints:
        since = min(origin.since for origin in served.origins)
        ages[served.endpoint.key] = Age(since, since)
    return ages
