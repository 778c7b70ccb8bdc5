"""Whether two replicas serve the same, and what differs for longer than a moment: pure functions of what both serve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nsmallest

from xds import CLUSTER, ENDPOINT, Snapshot

Versions = Mapping[str, Mapping[str, str]]
"""By the alias of a view, the version of each type."""

FINGERPRINT = 16
"""Characters of a fingerprint."""

SHOWN = 20
"""Names of services in a difference, at most."""


@dataclass(frozen=True, slots=True)
class Look:
    """What both sides served of one view, at about the same time."""

    view: str
    at: float
    """Monotonic seconds."""
    here: Mapping[str, str]
    """The fingerprint of each service that this side serves, by its name."""
    there: frozenset[str]
    """The fingerprints of the services that the other side serves."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What one side serves and the other does not, each since the first of the looks that all saw it so."""

    view: str
    here: Mapping[tuple[str, str], float]
    """By name and fingerprint."""
    there: Mapping[str, float]
    """By fingerprint."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs in one view."""

    view: str
    services: tuple[str, ...]
    """Names of services that are served here, and not there or otherwise there: sorted, the first 20 of them."""
    here: int
    """How many these are in all."""
    there: int
    """How many services are served there, and not here or otherwise here. Their names are the other side's to tell."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the looks at one view have shown, for as long as it differs."""

    drift: Drift
    since: float
    """When the oldest of what differs was first seen, in monotonic seconds."""
    difference: Difference | None
    """What differs: for long enough, if anything does, or else at all. None if the services are the same by now."""
    lasting: bool
    """Whether anything differs for long enough."""


def type_versions(snapshot: Snapshot) -> Mapping[str, str]:
    """The version of each type, by the name that the API has for it."""
    return {"cluster": snapshot.version(CLUSTER.url), "endpoint": snapshot.version(ENDPOINT.url)}


def alias(view: str) -> str:
    """What replicas call a view among themselves: 16 hexadecimal digits.

    A hash of its name, which has a region in it that may be any text, since Envoys bring it. Each side knows the names
    of its own views.
    """
    return blake2b(view.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def versions(snapshots: Mapping[str, Snapshot]) -> Versions:
    """The versions in each view, of which the names are given."""
    return {alias(view): type_versions(snapshot) for view, snapshot in snapshots.items()}


def fingerprints(snapshot: Snapshot) -> Mapping[str, str]:
    """A hash of each service as it is served, by its name: 16 hexadecimal digits.

    The name is part of it, so it tells nothing to anybody who does not know name, cluster and endpoints. Costs a hash
    for each service: work for a thread.
    """
    clusters, assignments = snapshot.resources(CLUSTER.url), snapshot.resources(ENDPOINT.url)
    found = {}
    for name in clusters.keys() | assignments.keys():
        parts = (known[name].version if name in known else "" for known in (clusters, assignments))
        # No version has the separator in it, and a name comes last: no two services share their bytes.
        found[name] = blake2b("\0".join((*parts, name)).encode(), digest_size=8).hexdigest()
    return found


def differing_views(here: Mapping[str, Snapshot], there: Versions) -> Sequence[str]:
    """The names of the views that both have, in different versions; in the order of this side."""
    served = ((view, type_versions(snapshot), there.get(alias(view))) for view, snapshot in here.items())
    return [view for view, ours, theirs in served if theirs is not None and theirs != ours]


def drift(before: Drift | None, look: Look) -> Drift:
    """What differs at a look, and since when: what one side changes, begins anew.

    So a change that one side has already and the other has not yet never grows old, whatever else changes. What a
    replica holds, retains, freezes or drains does.

    Args:
        before: what differed in this view at the look before; None where there was none since the view agreed.
        look: at this view.
    """
    before = before or Drift(look.view, {}, {})
    ours = frozenset(look.here.values())
    here = (each for each in look.here.items() if each[1] not in look.there)
    there = (mark for mark in look.there if mark not in ours)
    return Drift(
        look.view,
        {each: before.here.get(each, look.at) for each in here},
        {mark: before.there.get(mark, look.at) for mark in there},
    )


def difference(found: Drift, latest: float) -> Difference | None:
    """What differs since `latest` or longer, in monotonic seconds; None if nothing does."""
    here = [name for (name, _), since in found.here.items() if since <= latest]
    there = sum(since <= latest for since in found.there.values())
    return Difference(found.view, tuple(nsmallest(SHOWN, here)), len(here), there) if here or there else None


def judge(before: Drift | None, look: Look, patience: float) -> Finding:
    """What a look at a view adds to those before. Costs some steps for each service: work for a thread.

    Args:
        before: as for `drift`.
        look: at this view.
        patience: seconds that something may differ before that is a difference.
    """
    found = drift(before, look)
    since = min((*found.here.values(), *found.there.values()), default=look.at)
    lasting = difference(found, look.at - patience)
    return Finding(found, since, lasting or difference(found, look.at), lasting=lasting is not None)
