"""What clients accepted as a whole, so that one who comes back is known by the version it names."""

from collections import OrderedDict
from collections.abc import Mapping

from xds.resource import Resource

_REMEMBERED = 32
"""Contents, of all types together; they share what they have in common."""


class Acceptances:
    """Complete contents by type and version, the most recently accepted ones. Shared by the streams of a server.

    A version is a hash of all there is (`Snapshot.version`), and no client can name one by chance: it has, or had on an
    earlier stream, exactly what the version stands for.
    """

    def __init__(self) -> None:
        self._contents: OrderedDict[tuple[str, str], Mapping[str, Resource]] = OrderedDict()

    def add(self, type_url: str, version: str, contents: Mapping[str, Resource]) -> None:
        """Remember what a client has accepted."""
        key = type_url, version
        self._contents[key] = contents
        self._contents.move_to_end(key)
        if len(self._contents) > _REMEMBERED:
            self._contents.popitem(last=False)

    def find(self, type_url: str, version: str) -> Mapping[str, Resource] | None:
        """What the version stands for; None if that was never known, or is long forgotten."""
        return self._contents.get((type_url, version))
