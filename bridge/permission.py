"""What a source has to be allowed where it reads, as values: what, on what, under which conditions, and to whom.

An adapter says it beside the calls that need it; a policy is written down elsewhere (`bridge.cli.policy`).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

ANYTHING = ("*",)
"""The resources of an action that cannot be restricted to some."""


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """Something that must be so for a permission to count."""

    test: str
    """How `key` is compared, by the name that the source's side has for it, such as `ArnLike`."""
    key: str
    values: tuple[str, ...]
    """One of them is enough."""


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """Some actions on some resources."""

    name: str
    """What it is for, in letters and digits, such as `EcsTasks`."""
    actions: tuple[str, ...]
    """By the names that permissions have, such as `ecs:ListTasks`, which need not be those of the calls."""
    resources: tuple[str, ...] = ANYTHING
    conditions: tuple[Condition, ...] = ()
    """All of them."""


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """Who is to be allowed something; without a name, whoever the bridge itself is there."""

    name: str = ""
    external_id: str = ""
    """What the bridge says when it becomes this identity, for it to ask for; empty where it says nothing."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one identity needs for one source."""

    permissions: tuple[Permission, ...]
    identity: Identity = Identity()


def combined(permissions: Iterable[Permission]) -> tuple[Permission, ...]:
    """The same in the fewest permissions, sorted, each with a name of its own: what several sources need only once."""
    resources: dict[tuple[str, tuple[Condition, ...]], set[str]] = defaultdict(set)
    names: dict[tuple[str, tuple[Condition, ...]], set[str]] = defaultdict(set)
    for permission in permissions:
        for action in permission.actions:
            key = (action, tuple(sorted(permission.conditions)))
            resources[key].update(permission.resources)
            names[key].add(permission.name)
    groups: dict[tuple[tuple[str, ...], tuple[Condition, ...]], tuple[set[str], set[str]]] = {}
    for (action, conditions), found in resources.items():
        reach = ANYTHING if "*" in found else tuple(sorted(found))
        actions, purposes = groups.setdefault((reach, conditions), (set(), set()))
        actions.add(action)
        purposes |= names[action, conditions]
    merged = sorted(
        Permission("".join(sorted(purposes)), tuple(sorted(actions)), *key)
        for key, (actions, purposes) in groups.items()
    )
    return tuple(_named(merged))


def _named(permissions: Iterable[Permission]) -> Iterable[Permission]:
    taken: set[str] = set()
    for each in permissions:
        name, number = each.name, 1
        while name in taken:
            number += 1
            name = f"{each.name}x{number}"
        taken.add(name)
        yield Permission(name, each.actions, each.resources, each.conditions)
