"""What a client asked for of one type, as a value, and the rules by which a request changes it.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from math import isqrt
from typing import TypeVar
from weakref import WeakValueDictionary

from xds.message import ExcessiveRequest

WILDCARD = "*"
NOTHING: frozenset[str] = frozenset()
_NO_RESOURCE = frozenset({WILDCARD, ""})

MAX_NAMES = 100_000
"""Names that a client may ask for, of each type on each stream: what it asks for costs us memory, known or not."""
LONGEST_NAME = 1024
"""Characters of a name."""

_COPIED = 512
"""A set of so many names is copied when one of them changes: that takes less time than receiving the request."""


NamesT = TypeVar("NamesT", bound=Collection[str])


def allowed(names: NamesT) -> NamesT:
    """These names of one request, if a client may ask for them.

    Raises:
        ExcessiveRequest: they are too many, or one is too long.
    """
    if len(names) > MAX_NAMES:
        raise ExcessiveRequest(f"the request holds more than {MAX_NAMES} names")
    if names and max(map(len, names)) > LONGEST_NAME:
        raise ExcessiveRequest(f"the request holds a name of more than {LONGEST_NAME} characters")
    return names


@dataclass(frozen=True, slots=True)
class Subscription:
    """The names a client asked for, and whether it wants everything besides.

    The names are a large set that streams share and two small ones that deviate from it, so that asking for one name
    more costs the root of their number and not a copy of them all.
    """

    base: frozenset[str] = NOTHING
    wildcard: bool = False
    legacy: bool = False
    """The wildcard comes from a first request that named nothing, not from `*`."""
    added: frozenset[str] = NOTHING
    """Asked for, not in `base`."""
    dropped: frozenset[str] = NOTHING
    """In `base`, not asked for any more."""

    @property
    def names(self) -> frozenset[str]:
        """The names asked for; made anew at each call where they deviate from `base`."""
        return self.base - self.dropped | self.added if self.added or self.dropped else self.base

    @property
    def count(self) -> int:
        """How many names are asked for."""
        return len(self.base) + len(self.added) - len(self.dropped)

    def named(self, names: frozenset[str]) -> frozenset[str]:
        """Those of `names` that are asked for by name."""
        found = names if names <= self.base else names & self.base
        if self.dropped:
            found -= self.dropped
        return found | (names & self.added) if self.added else found

    def names_not_in(self, later: "Subscription") -> frozenset[str]:
        """Names asked for here that `later` does not ask for by name; cheap where the two have the same base."""
        if self.base is not later.base:
            return self.names - later.names
        deviating = self.named(self.added | later.dropped)
        return deviating - later.named(deviating)

    def select(self, names: frozenset[str]) -> frozenset[str]:
        """Those of `names` that are asked for."""
        return names if self.wildcard else self.named(names)

    def everything(self, existing: frozenset[str]) -> frozenset[str]:
        """All that is asked for, given the names that exist; may hold names that do not."""
        names = self.names
        if not self.wildcard:
            return names
        return existing if names <= existing else existing | names


class Versions(dict[str, str]):
    """Versions by name, which can be referred to weakly."""

    __slots__ = ("__weakref__",)


class NameSets:
    """Lets equal sets of names, and equal versions by name, be one object for as long as somebody uses it.

    A thousand Envoys ask for the same thousand names; kept once per Envoy these would outweigh everything else.
    """

    def __init__(self) -> None:
        # By hash, because a table by value would keep its own keys alive.
        self._sets: WeakValueDictionary[int, frozenset[str]] = WeakValueDictionary()
        self._versions: WeakValueDictionary[int, Versions] = WeakValueDictionary()

    def share(self, names: Collection[str]) -> frozenset[str]:
        """The one object for this set of names. That each name is one object, too, is for whoever reads them."""
        if not names:
            return NOTHING
        wanted = frozenset(names)
        known = self._sets.setdefault(hash(wanted), wanted)
        return known if known is wanted or known == wanted else wanted

    def share_versions(self, versions: Versions) -> Versions:
        """The one object for these versions; whoever has it must not change it."""
        known = self._versions.setdefault(hash(frozenset(versions.items())), versions)
        return known if known == versions else versions

    def share_all(self, subscription: Subscription) -> Subscription:
        """An equal subscription, whose sets of names are the one object for each."""
        return replace(
            subscription,
            base=self.share(subscription.base),
            added=self.share(subscription.added),
            dropped=self.share(subscription.dropped),
        )


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
    base, gained = current.base, subscribe - unsubscribe - _NO_RESOURCE
    return _compact(
        Subscription(
            base,
            wildcard=wildcard,
            legacy=current.legacy and wildcard,
            added=current.added - unsubscribe | (gained - base),
            dropped=(current.dropped | (unsubscribe & base)) - gained,
        )
    )


def _compact(amended: Subscription) -> Subscription:
    """The same subscription, its names in one set again where too many deviate; that is seldom in a large set."""
    size, deviating = len(amended.base), len(amended.added) + len(amended.dropped)
    if not deviating or (size > _COPIED and deviating <= isqrt(size)):
        return amended
    return Subscription(amended.names, wildcard=amended.wildcard, legacy=amended.legacy)
