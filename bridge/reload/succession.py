"""In whose place sources count that are on their way out, so that no request goes elsewhere before they have gone."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace

from bridge.merge import MergePolicy, StandIn, Weighted
from bridge.model import ServiceName, SourceName
from bridge.reload.plan import Plan

Policies = Callable[[ServiceName], MergePolicy]
"""The merge policy of a service."""


def placed(
    wanted: Sequence[SourceName],
    staying: Container[SourceName],
    before: Sequence[SourceName],
    roles: Mapping[SourceName, SourceName],
) -> list[SourceName]:
    """The sources that are wanted, in their order, and those that stay behind their successor or whom they were behind.

    Args:
        wanted: the sources of a configuration.
        staying: who is not among them and stays for the time being.
        before: all sources in the order until now.
        roles: the successors, each among those wanted, of those that have one.
    """
    order = list(wanted)
    for place, name in enumerate(before):
        if name in staying:
            leader = roles.get(name) or next((each for each in reversed(before[:place]) if each in order), None)
            order.insert(order.index(leader) + 1 if leader else 0, name)
    return order


class Succession:
    """Knows the sources on their way out: one that was renamed and its successor are one, others are what they were."""

    def __init__(self) -> None:
        """Have nobody on the way out."""
        self._roles: dict[SourceName, SourceName] = {}
        self._former: dict[SourceName, Policies] = {}
        """By what each was merged when it was last in the configuration."""

    def begin(self, names: Sequence[SourceName], found: Plan, old: Policies) -> None:
        """Go by another configuration.

        Args:
            names: of its sources.
            found: what it changes, whoever is on the way out already among those removed.
            old: how services were merged until now.
        """
        roles = {**self._roles, **found.renamed}
        self._roles = {name: roles[name] for name in found.removed if roles.get(name) in names}
        self._former = {name: self._former.get(name, old) for name in found.removed}

    def order(self, names: Sequence[SourceName], before: Sequence[SourceName]) -> list[SourceName]:
        """All sources: those on their way out behind their successor, or else behind whom they were behind before.

        Args:
            names: of the sources of the configuration, in its order.
            before: all sources in the order until now.
        """
        return placed(names, frozenset(before) - frozenset(names), before, self._roles)

    def policies(self, new: Policies) -> Policies:
        """The policies of the configuration, made to count in those that are on their way out."""
        if not self._former:
            return new
        former, roles = dict(self._former), dict(self._roles)

        def policy(service: ServiceName) -> MergePolicy:
            found = new(service)
            if isinstance(found, Weighted):
                found = replace(found, leaving=tuple(_weights(service, former)))
            return StandIn(found, roles) if roles else found

        return policy


def _weights(service: ServiceName, former: dict[SourceName, Policies]) -> list[tuple[SourceName, int]]:
    found = ((name, policies(service)) for name, policies in former.items())
    return [(name, dict(policy.weights).get(name, 0)) for name, policy in found if isinstance(policy, Weighted)]
