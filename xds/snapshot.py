"""Everything there is to serve at one moment, immutable and versioned by content."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from types import MappingProxyType

from xds.resource import Resource

_EMPTY: Mapping[str, Resource] = MappingProxyType({})
_MODULUS = 1 << 128


class Snapshot:
    """All resources by type and name. A change makes a new snapshot; what did not change is shared with the old one.

    The version of a type is data given with its resources. Where none is given it is a hash over the set of their
    (name, version) pairs, kept incrementally: equal content gives the equal version whatever the order of changes that
    led to it, and is never an empty string.
    """

    __slots__ = ("_digests", "_names", "_resources", "_versions")

    def __init__(self) -> None:
        self._resources: dict[str, Mapping[str, Resource]] = {}
        self._digests: dict[str, int] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._versions: dict[str, str] = {}
        """By type, those that were given or have been asked for."""

    def types(self) -> frozenset[str]:
        """The `type_url` of every type that ever had a resource."""
        return frozenset(self._resources)

    def resources(self, type_url: str) -> Mapping[str, Resource]:
        """All resources of a type, by name."""
        return self._resources.get(type_url, _EMPTY)

    def names(self, type_url: str) -> frozenset[str]:
        """The names of all resources of a type, made once and shared by all who ask."""
        names = self._names.get(type_url)
        if names is None:
            names = self._names[type_url] = frozenset(self.resources(type_url))
        return names

    def version(self, type_url: str) -> str:
        """Version of the set of resources of a type: the one that was given, else 32 hexadecimal digits."""
        version = self._versions.get(type_url)
        if version is None:  # asked for by every stream, so written out once
            version = self._versions[type_url] = f"{self._digests.get(type_url, 0):032x}"
        return version

    def replace(
        self, type_url: str, changed: Iterable[Resource] = (), removed: Iterable[str] = (), *, version: str = ""
    ) -> "Snapshot":
        """A snapshot in which the resources `changed` are new or replaced, and the names `removed` are gone.

        Costs one copy of the type's mapping of names; unknown names in `removed` are ignored.

        Args:
            type_url: the type whose resources these are.
            changed: resources.
            removed: names.
            version: of all resources of the type that the new snapshot has. Whoever gives one promises that it stands
                for this content and no other. Empty: the hash of the content, also where another was given before.
        """
        resources = dict(self.resources(type_url))
        digest = self._digests.get(type_url, 0)
        for name in removed:
            if old := resources.pop(name, None):
                digest -= _digest(old)
        for resource in changed:
            if old := resources.get(resource.name):
                digest -= _digest(old)
            resources[resource.name] = resource
            digest += _digest(resource)
        snapshot = Snapshot()
        snapshot._resources = {**self._resources, type_url: resources}
        snapshot._digests = {**self._digests, type_url: digest % _MODULUS}
        snapshot._names = self._names_without(type_url, unless_equal_to=resources)
        snapshot._versions = {url: known for url, known in self._versions.items() if url != type_url}
        if version:
            snapshot._versions[type_url] = version
        return snapshot

    def _names_without(self, type_url: str, *, unless_equal_to: Mapping[str, Resource]) -> dict[str, frozenset[str]]:
        if unless_equal_to.keys() == self.resources(type_url).keys():
            return dict(self._names)
        return {url: names for url, names in self._names.items() if url != type_url}


def differences(old: Mapping[str, Resource], new: Mapping[str, Resource]) -> frozenset[str]:
    """Names that one of the two has and the other has not, or has in another version."""
    if old is new:
        return frozenset()
    changed = {name for name, resource in new.items() if not same_version(old.get(name), resource)}
    return frozenset(changed.union(name for name in old if name not in new))


def same_version(one: Resource | None, other: Resource | None) -> bool:
    """Whether a client that has the one has no use for the other."""
    return one is other or (one is not None and other is not None and one.version == other.version)


def _digest(resource: Resource) -> int:
    # The separator cannot occur in a version, so no two (name, version) pairs share their bytes.
    content = f"{resource.version}\0{resource.name}".encode()
    return int.from_bytes(blake2b(content, digest_size=16).digest())
