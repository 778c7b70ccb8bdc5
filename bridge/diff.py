"""What differs between two states, as a value. Law: applying `between(a, b)` to `a` gives `b`."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Diff(Generic[K, V]):
    """Keys that are new, keys whose value is another, and keys that are gone."""

    added: Mapping[K, V] = field(default_factory=dict)
    changed: Mapping[K, V] = field(default_factory=dict)
    removed: frozenset[K] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def between(old: Mapping[K, V], new: Mapping[K, V]) -> Diff[K, V]:
    """The difference that leads from `old` to `new`."""
    return Diff(
        added={key: value for key, value in new.items() if key not in old},
        changed={key: value for key, value in new.items() if key in old and old[key] != value},
        removed=frozenset(key for key in old if key not in new),
    )


def apply(old: Mapping[K, V], diff: Diff[K, V]) -> dict[K, V]:
    """The state that `diff` leads to from `old`."""
    kept = {key: value for key, value in old.items() if key not in diff.removed}
    return {**kept, **diff.added, **diff.changed}
