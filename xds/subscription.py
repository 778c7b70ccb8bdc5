"""What a client asked for of one type, as a value, and the rules by which a request changes it.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return
"""

import sys
from collections.abc import Collection
from dataclasses import dataclass
from weakref import WeakValueDictionary

WILDCARD = "*"
NOTHING: frozenset[str] = frozenset()
_NO_RESOURCE = frozenset({WILDCARD, ""})


@dataclass(frozen=True, slots=True)
class Subscription:
    """The names a client asked for, and whether it wants everything besides."""

    names: frozenset[str] = NOTHING
    wildcard: bool = False
    legacy: bool = False
    """The wildcard comes from a first request that named nothing, not from `*`."""

    def select(self, names: frozenset[str]) -> frozenset[str]:
        """Those of `names` that are asked for."""
        return names if self.wildcard else names & self.names

    def everything(self, existing: frozenset[str]) -> frozenset[str]:
        """All that is asked for, given the names that exist; may hold names that do not."""
        if not self.wildcard:
            return self.names
        return existing if self.names <= existing else existing | self.names


class NameSets:
    """Lets equal sets of names be one object, for as long as somebody uses it.

    A thousand Envoys ask for the same thousand names; kept once per Envoy these would outweigh everything else.
    """

    def __init__(self) -> None:
        # By hash, because a table by value would keep its own keys alive.
        self._sets: WeakValueDictionary[int, frozenset[str]] = WeakValueDictionary()

    def share(self, names: Collection[str]) -> frozenset[str]:
        """The one object for this set of names."""
        if not names:
            return NOTHING
        wanted = names if isinstance(names, frozenset) else frozenset(map(sys.intern, names))
        known = self._sets.setdefault(hash(wanted), wanted)
        return known if known == wanted else wanted


def restated(current: Subscription | None, names: frozenset[str], *, legacy_wildcard: bool) -> Subscription:
    """The subscription after a State-of-the-World request.

    Args:
        current: None before the first request of the type on the stream.
        names: as requested; empty means everything only while no name was ever given, and an empty string is a name
            that was given.
        legacy_wildcard: whether the type knows that meaning of "empty" at all.
    """
    if not names:
        everything = legacy_wildcard if current is None else current.legacy
        return Subscription(wildcard=everything, legacy=everything)
    if names.isdisjoint(_NO_RESOURCE):
        return Subscription(names)
    return Subscription(names - _NO_RESOURCE, wildcard=WILDCARD in names)


def amended(
    current: Subscription | None, subscribe: frozenset[str], unsubscribe: frozenset[str], *, legacy_wildcard: bool
) -> Subscription:
    """The subscription after an incremental request; what is in both lists ends up unsubscribed.

    Args:
        current: None before the first request of the type on the stream.
        subscribe: names to add. None at all in the first request means everything, until `*` is unsubscribed.
        unsubscribe: names to drop.
        legacy_wildcard: whether the type knows that meaning of "empty" at all.
    """
    if current is None:
        everything = legacy_wildcard and not subscribe
        current = Subscription(wildcard=everything, legacy=everything)
    wildcard = (current.wildcard or WILDCARD in subscribe) and WILDCARD not in unsubscribe
    names = (current.names | subscribe) - unsubscribe - _NO_RESOURCE
    return Subscription(names, wildcard=wildcard, legacy=current.legacy and wildcard)
