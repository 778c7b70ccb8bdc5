"""What is served now, what changed since, and the encoded responses that streams share."""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from xds.codec import Envelope, encode_delta_response, encode_response
from xds.message import Response
from xds.node import Client
from xds.resource import Resource, ResourceType
from xds.snapshot import Snapshot, differences, same_version

_HISTORY = 256
"""Generations whose changes are remembered; who is further behind is compared name by name."""
_SHARED_RESPONSES = 4096
_SHARED_BYTES = 64 << 20
_NAME_BYTES = 64
"""What a name in the key of a shared response takes, about: a response that says "gone" is shorter than its key."""


Changes = Mapping[str, Collection[str]]
"""By type, the names whose resources differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """A snapshot that was served at some time, numbered in order."""

    number: int
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class _Step:
    """What a generation changed. Without its snapshot: history would keep hundreds of these alive."""

    number: int
    changed: Changes
    """From the generation before."""


def placeholder(kind: ResourceType, name: str) -> Resource:
    """What is sent for a name that does not exist.

    Raises:
        ValueError: nothing, by the rules of the type.
    """
    if kind.placeholder is None:
        raise ValueError(f"there is no {kind.url} named {name!r}, and the type has no placeholder")
    return Resource(name, kind.placeholder(name), version="")


class SnapshotCache:
    """The current snapshot of one view. Touched on the event loop only.

    By itself it is `Views` in which everybody sees the same. Work is shared by streams: what changed between two
    generations is found out once, and equal responses are encoded once, so that a change costs one build and as many
    writes as there are streams.

    Args:
        identifier: name of this control plane, which clients show (`control_plane.identifier`).
        name: of the view, for people.
    """

    def __init__(self, identifier: str = "", name: str = "") -> None:
        self.name = name
        self._identifier = identifier
        self._current: Generation | None = None
        self._history: deque[_Step] = deque(maxlen=_HISTORY)
        self._changes: dict[tuple[int, str], frozenset[str]] = {}
        self._responses = _SharedResponses()
        self._watchers: dict[Callable[[int], None], None] = {}

    @property
    def snapshot(self) -> Snapshot | None:
        """What is served now; None before the first `set`: until then no stream is answered."""
        return self._current.snapshot if self._current else None

    @property
    def generation(self) -> Generation | None:
        """The current snapshot with its number; None before the first `set`."""
        return self._current

    def set(self, snapshot: Snapshot, number: int | None = None, changed: Changes | None = None) -> bool:
        """Serve `snapshot` from now on. Equal content makes no new generation and wakes nobody.

        Args:
            snapshot: everything there is to serve.
            number: of the new generation, greater than that of any before; the next one when left out.
            changed: by type, exactly the names that differ from what is served now, if the caller knows: otherwise each
                name is compared. It is kept, and must not be changed any more.

        Returns:
            Whether there is a new generation.
        """
        before = self._current
        if changed is None:  # of the first snapshot nobody has anything to compare it with
            changed = _changed(before.snapshot, snapshot) if before else {}
        if before and not any(changed.values()):
            return False
        self._current = Generation(number or (before.number + 1 if before else 1), snapshot)
        self._history.append(_Step(self._current.number, changed))
        self._changes.clear()
        self._responses.clear()
        for notify in self._watchers:
            notify(self._current.number)
        return True

    @property
    def ready(self) -> bool:
        """Whether there is something to serve."""
        return self._current is not None

    def view(self, client: Client) -> "SnapshotCache":
        """This one, whoever asks."""
        return self

    def watch(self, notify: Callable[[int], None]) -> Callable[[], None]:
        """Call `notify` with the number of each new generation; it must neither block nor raise. Returns its end."""
        self._watchers[notify] = None
        return lambda: self._watchers.pop(notify, None)

    def changes(self, since: Generation, type_url: str) -> frozenset[str]:
        """Names of a type whose resource is another now than it was in `since`, came since, or is gone since."""
        current = self._required()
        if since is current:
            return frozenset()
        key = since.number, type_url
        changes = self._changes.get(key)
        if changes is None:
            changes = self._changes[key] = self._compare(since, current, type_url)
        return changes

    def encode(self, response: Response) -> bytes:
        """The bytes of a response; the same object for equal responses of a generation."""
        # The version stands for what the snapshot holds: equal content is shared whichever object it comes from.
        kind, version = response.type.url, response.version
        key = kind, version, response.incremental, response.nonce, response.names, response.removed
        body = self._responses.get(key)
        if body is None:
            body = self._build(response)
            self._responses.add(key, body)
        return body

    def _required(self) -> Generation:
        if self._current is None:
            raise ValueError("there is no snapshot yet")
        return self._current

    def _compare(self, since: Generation, current: Generation, type_url: str) -> frozenset[str]:
        old, new = since.snapshot.resources(type_url), current.snapshot.resources(type_url)
        if since.number < self._history[0].number - 1:
            return differences(old, new)
        later = [step.changed.get(type_url, ()) for step in self._history if step.number > since.number]
        touched = frozenset[str]().union(*later)
        return frozenset(name for name in touched if not same_version(old.get(name), new.get(name)))

    def _build(self, response: Response) -> bytes:
        kind = response.type
        known = response.snapshot.resources(kind.url)
        # Sorted, so that the same content is the same bytes on every replica.
        resources = [known.get(name) or placeholder(kind, name) for name in sorted(response.names)]
        envelope = Envelope(
            type_url=kind.url, version=response.version, nonce=response.nonce, control_plane=self._identifier
        )
        if response.incremental:
            return encode_delta_response(envelope, resources, sorted(response.removed))
        return encode_response(envelope, resources)


_Key = tuple[str, str, bool, str, frozenset[str], frozenset[str]]


class _SharedResponses:
    """Encoded responses of the current generation, the least recently used dropped when they are too many."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[_Key, bytes] = OrderedDict()
        self._size = 0

    def get(self, key: _Key) -> bytes | None:
        body = self._bodies.get(key)
        if body is not None:
            self._bodies.move_to_end(key)
        return body

    def add(self, key: _Key, body: bytes) -> None:
        self._bodies[key] = body
        self._size += _size(key, body)
        while len(self._bodies) > _SHARED_RESPONSES or self._size > _SHARED_BYTES:
            self._size -= _size(*self._bodies.popitem(last=False))

    def clear(self) -> None:
        self._bodies.clear()
        self._size = 0


def _size(key: _Key, body: bytes) -> int:
    *_, names, removed = key
    return len(body) + _NAME_BYTES * (len(names) + len(removed))


def _changed(old: Snapshot, new: Snapshot) -> Changes:
    types: Iterable[str] = old.types() | new.types()
    return {url: differences(old.resources(url), new.resources(url)) for url in types}
