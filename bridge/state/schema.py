"""The versions of what a state file holds: the one that is written, and how older ones are brought up to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bridge.errors import BridgeError
from bridge.state import codec
from bridge.state.document import State
from bridge.state.envelope import DamagedError, Opened

Migration = Callable[[object], object]
"""From the parsed content of one version to that of the next; raises ValueError, LookupError or TypeError for what was
never a content of its version."""


class NewerError(BridgeError):
    """A file was written by a newer bridge. It is whole, and not for this one to read or to replace."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One version, and the way to it from older ones."""

    version: int
    migrations: Mapping[int, Migration] = field(default_factory=dict)
    """By the version that each starts from, without a gap."""

    def read(self, opened: Opened) -> State:
        """The state in a file of this version or an older one.

        Raises:
            NewerError: the version is newer.
            DamagedError: it is no content of its version, or one that is too old to be read.
        """
        if opened.version > self.version:
            raise NewerError(f"has schema version {opened.version}, and this bridge reads {self.version} at most")
        try:
            return codec.decode(self._migrated(opened.version, json.loads(opened.content)))
        except RecursionError as error:
            raise DamagedError("it is nested too deeply") from error
        except (ValueError, LookupError, TypeError) as error:
            raise DamagedError(f"{error}") from error

    def _migrated(self, version: int, content: object) -> object:
        for number in range(version, self.version):
            if number not in self.migrations:
                raise DamagedError(f"its schema version {version} is too old to be read")
            content = self.migrations[number](content)
        return content


CURRENT = Schema(1, MappingProxyType({}))
"""What is written. A bridge reads at least the version before its own."""
