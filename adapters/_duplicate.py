"""One service, one address and port: of several instances that report it, the one that is most likely to run there."""

from collections.abc import Iterable

from bridge.model import Endpoint, EndpointKey, Entry, Health, InstanceId, SetAside

_PREFERENCE = (Health.HEALTHY, Health.UNKNOWN, Health.DEGRADED, Health.UNHEALTHY, Health.DRAINING)


def without_duplicates(entries: Iterable[Entry]) -> frozenset[Entry]:
    """Each address and port once; the others stay visible, set aside."""
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
            result.add(
                SetAside(
                    loser.instance,
                    str(loser.key),
                    f"instance {loser.instance!r} has the address and port of {winner.instance!r}",
                )
            )
    return frozenset(result | set(kept.values()))


def _rank(endpoint: Endpoint) -> tuple[int, InstanceId]:
    return _PREFERENCE.index(endpoint.health), endpoint.instance
