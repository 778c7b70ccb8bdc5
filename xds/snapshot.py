"""Everything there is to serve at one moment, immutable and versioned by content."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from types import MappingProxyType

from xds.resource import Resource

_EMPTY: Mapping[str, Resource] = MappingProxyType({})
_MODULUS = 1 << 128


class Snapshot:
    """All resources by type and name. A change makes a new snapshot; what did not change is shared with the old one.

    The version of a type is a hash over the set of its (name, version) pairs, kept incrementally: equal content gives
    the equal version whatever the order of changes that led to it, and is never an empty string.
    """

    __slots__ = ("_digests", "_resources")

    def __init__(self) -> None:
        self._resources: dict[str, Mapping[str, Resource]] = {}
        self._digests: dict[str, int] = {}

    def resources(self, type_url: str) -> Mapping[str, Resource]:
        """All resources of a type, by name."""
        return self._resources.get(type_url, _EMPTY)

    def version(self, type_url: str) -> str:
        """Version of the set of resources of a type: 32 hexadecimal digits."""
        return f"{self._digests.get(type_url, 0):032x}"

    def replace(self, type_url: str, changed: Iterable[Resource] = (), removed: Iterable[str] = ()) -> "Snapshot":
        """A snapshot in which the resources `changed` are new or replaced, and the names `removed` are gone.

        Costs one copy of the type's mapping of names; unknown names in `removed` are ignored.
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
        return snapshot


def _digest(resource: Resource) -> int:
    # The separator cannot occur in a version, so no two (name, version) pairs share their bytes.
    content = f"{resource.version}\0{resource.name}".encode()
    return int.from_bytes(blake2b(content, digest_size=16).digest())
