"""Each address and port of a service once: what every adapter does about instances that share one."""

from collections.abc import Iterable

from bridge.model import Endpoint, EndpointKey, Entry, Health, InstanceId, SetAside

# The instance that most likely runs at the address: a crashed registration has a successor there.
_PREFERENCE = (Health.HEALTHY, Health.UNKNOWN, Health.DEGRADED, Health.UNHEALTHY, Health.DRAINING)


def one_per_address(entries: Iterable[Entry]) -> frozenset[Entry]:
    """Keep the healthiest of those that share an address and port; the others stay visible, set aside."""
    kept: dict[EndpointKey, Endpoint] = {}
    result: set[Entry] = set()
    for entry in entries:
        if isinstance(entry, SetAside):
            result.add(entry)
            continue
        rival = kept.get(entry.key)
        winner, loser = (entry, rival) if rival is None or _rank(entry) < _rank(rival) else (rival, entry)
        kept[entry.key] = winner
        if loser is not None:
            reason = f"instance {loser.instance!r} has the address and port of {winner.instance!r}"
            result.add(SetAside(loser.instance, str(loser.key), reason))
    return frozenset(result | set(kept.values()))


def _rank(endpoint: Endpoint) -> tuple[int, InstanceId]:
    return _PREFERENCE.index(endpoint.health), endpoint.instance
