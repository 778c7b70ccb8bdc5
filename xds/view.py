"""What each client may see: the border between the server and whoever decides that."""

from collections.abc import Callable
from typing import Protocol

from xds.cache import SnapshotCache
from xds.node import Client


class Views(Protocol):
    """Chooses what a client is served. A `SnapshotCache` is the simplest one: everybody sees the same."""

    @property
    def ready(self) -> bool:
        """Whether there is something to serve; until then nobody is answered."""

    def view(self, client: Client) -> SnapshotCache:
        """What this client is served for as long as its stream is open; asked once for each stream.

        Asked again when the views have changed (`XdsServer.reconsider`): another answer ends the stream.

        Raises:
            Refused: nothing; the message says why.
        """

    def watch(self, notify: Callable[[int], None]) -> Callable[[], None]:
        """Call `notify` after changes, with the number of the generations that they made; returns what ends it.

        A number is given once for all views, whichever of them changed; it must neither block nor raise.
        """
