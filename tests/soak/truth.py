"""What one Envoy must have, and what it may have until it has followed; what it has is compared with that."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

Hosts = Mapping[str, Mapping[str, str]]
"""Health by address and port, by service."""


class Expectation:
    """The truth as one Envoy has to know it.

    A change widens what is allowed: the old state and the new one. When the Envoy was seen to have followed, only the
    new one is left. So an endpoint that is alive, registered and once arrived must be there at every moment.
    """

    def __init__(self) -> None:
        self.age = 0
        """Counts changes of what is allowed, so that who compares can tell that it changed meanwhile."""
        self._wanted: dict[str, dict[str, str]] = defaultdict(dict)
        self._allowed: dict[str, dict[str, set[str | None]]] = defaultdict(dict)
        self._moves: Counter[str] = Counter()

    def want(self, service: str, key: str, health: str | None) -> None:
        """An endpoint is to have this health from now on; None for one that is to go."""
        self.age += 1
        before = self._wanted[service].get(key)
        self._moves[service] += (before is None) != (health is None)
        self._allowed[service].setdefault(key, {before}).add(health)
        if health is None:
            self._wanted[service].pop(key, None)
        else:
            self._wanted[service][key] = health

    def tolerate(self, services: Iterable[str], moves: int) -> None:
        """Let the endpoints of services be counted as moved so many times more, as for a cluster that is replaced."""
        for service in services:
            self._moves[service] += moves

    def objections(self, found: Hosts) -> list[str]:
        """What is not as it must be, and not as it may be."""
        return [
            f"{service} {key} is {_spelled(has)} and must be {' or '.join(sorted(map(_spelled, allowed)))}"
            for service, keys in self._allowed.items()
            for key in sorted({*keys, *found.get(service, {})})
            for has in [found.get(service, {}).get(key)]
            for allowed in [keys.get(key, {None})]
            if has not in allowed
        ]

    def difference(self, found: Hosts, services: Iterable[str]) -> list[str]:
        """What of these services is not as it is to be."""
        return [
            f"{service} {key} is {_spelled(has)} and is to be {_spelled(wanted)}"
            for service in services
            for key in sorted({*self._wanted[service], *found.get(service, {})})
            for has, wanted in [(found.get(service, {}).get(key), self._wanted[service].get(key))]
            if has != wanted
        ]

    def followed(self, service: str, moved: int) -> list[str]:
        """A service was seen to be as it is to be: nothing else is allowed from now on.

        Args:
            service: the service.
            moved: how often endpoints came or went since this was said last.

        Returns:
            What is wrong with that: more came and went than there was reason for.
        """
        self.age += 1
        reasons = self._moves.pop(service, 0)
        self._allowed[service] = {key: {health} for key, health in self._wanted[service].items()}
        return [f"{service}: {moved} times endpoints moved, for {reasons} changes"] if moved > reasons else []


def _spelled(health: str | None) -> str:
    return health or "absent"
