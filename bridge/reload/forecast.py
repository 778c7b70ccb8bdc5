"""What would be served of each service by another configuration: pure functions, for the thread that weighs it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.merge import MergePolicy, Report, Service
from bridge.model import EndpointKey, Scope, ServiceName, SourceName
from bridge.registry import Part

Known = tuple[tuple[SourceName, Scope], ServiceName, Part]
"""What a scope of a source says of a service; the part is a copy."""

Served = Mapping[ServiceName, frozenset[EndpointKey]]

_Heard = tuple[SourceName, Scope, Part]

Amend = Callable[[ServiceName, Sequence[Report]], Sequence[Report]]


class Forecast(NamedTuple):
    """What Envoys that see everything have, and what they would have."""

    before: Served
    after: Served


@dataclass(frozen=True, slots=True)
class Merging:
    """How a configuration makes services of what sources say."""

    order: Sequence[SourceName]
    """Who is listened to, by precedence."""
    policy: Callable[[ServiceName], MergePolicy]
    names: Mapping[SourceName, SourceName] = field(default_factory=dict)
    """What sources are called by which somebody else is called now."""


def foreseen(
    services: Mapping[ServiceName, Service], known: Iterable[Known], old: Merging, new: Merging, amend: Amend
) -> Forecast:
    """What is served now and what would be in the end, with what nobody who is listened to says left out of both.

    Args:
        services: as they are served.
        known: what there is to say otherwise of some of them; the others stay as they are.
        old: how they are made now, without the sources that go in any case.
        new: how they would be made.
        amend: what becomes of the reports about a service before they are merged.
    """
    before = {name: frozenset(each.endpoint.key for each in found.endpoints) for name, found in services.items()}
    after, heard = dict(before), frozenset(old.order)
    parts: dict[ServiceName, list[Known]] = {}
    for each in known:
        parts.setdefault(each[1], []).append(each)
    for name in before.keys() & parts.keys():
        earlier, later = _heard(parts[name], old), _heard(parts[name], new)
        if any(place[0] not in heard for place, _, _ in parts[name]):
            was = _made(name, earlier, old, amend)
            _set(before, name, was)
            _set(after, name, was)
        if old.policy(name) == new.policy(name) and _parts(earlier) == _parts(later):
            continue
        was, will = _made(name, earlier, old, amend), _made(name, later, new, amend)
        if was != will:  # else a policy is on its way to the same thing by both, and what it takes is not ours to ask
            _set(after, name, will)
    return Forecast(before, after)


def _heard(parts: Iterable[Known], merging: Merging) -> list[_Heard]:
    """Those who are listened to, by precedence."""
    rank = {source: place for place, source in enumerate(merging.order)}
    named = [(merging.names.get(source, source), scope, part) for (source, scope), _, part in parts]
    return sorted((each for each in named if each[0] in rank), key=lambda each: (rank[each[0]], each[1]))


def _parts(heard: Iterable[_Heard]) -> list[Part]:
    return [part for _, _, part in heard]


def _made(name: ServiceName, heard: Sequence[_Heard], merging: Merging, amend: Amend) -> frozenset[EndpointKey] | None:
    """What is served of a service when its policy has come to rest; None without anybody who names it."""
    if not heard:
        return None
    reports = [report for source, scope, part in heard for report in part.reports(source, scope)]
    return frozenset(each.endpoint.key for each in merging.policy(name)(amend(name, reports)).endpoints)


def _set(
    served: dict[ServiceName, frozenset[EndpointKey]], name: ServiceName, to: frozenset[EndpointKey] | None
) -> None:
    if to is None:
        served.pop(name, None)
    else:
        served[name] = to
