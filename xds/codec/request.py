"""Requests from bytes, for one stream each: some of what a request says is only worth reading once."""

from collections.abc import Generator
from sys import intern
from typing import TypeVar

from xds.codec.node import decode_node
from xds.codec.wire import field, fields, first_two, tag, text
from xds.message import DeltaRequest, ExcessiveRequest, Request
from xds.node import Node
from xds.subscription import MAX_NAMES, NameSets, Versions, allowed

# DiscoveryRequest
_VERSION, _NODE, _NAMES, _TYPE_URL, _NONCE, _ERROR, _LOCATORS = map(tag, (1, 2, 3, 4, 5, 6, 7))
# DeltaDiscoveryRequest
_DELTA_NODE, _DELTA_TYPE_URL, _SUBSCRIBE, _UNSUBSCRIBE, _INITIAL, _DELTA_NONCE, _DELTA_ERROR = map(tag, range(1, 8))
_SUBSCRIBE_LOCATORS, _UNSUBSCRIBE_LOCATORS = map(tag, (8, 9))
# Fields of which the last one holds. Others are not kept: a client can make up millions.
_SINGLE = frozenset({_VERSION, _NODE, _TYPE_URL, _NONCE, _ERROR})
_DELTA_SINGLE = frozenset({_DELTA_NODE, _DELTA_TYPE_URL, _DELTA_NONCE, _DELTA_ERROR})
_STATUS_MESSAGE = tag(2)

_MAX_FIELDS = 3 * MAX_NAMES + 100
"""Fields that are read of a request: three lists of names, and the rest. Passing over millions takes seconds."""

_PORTION = 2000
"""Fields that are read in one go: some 5 ms. Most requests have fewer."""


class RequestDecoder:
    """Decodes the State-of-the-World requests of one stream.

    It remembers the names of the last request, because each acknowledgement restates all of them: comparing the
    encoded block is ten times cheaper than reading a thousand names again. Of the block only a hash is kept (64 bits,
    with a key of this process): each client has an order of its own, and a block per client would outweigh the rest of
    a stream's state.
    """

    def __init__(self, sets: NameSets) -> None:
        self.fields = 0
        """Fields read of the last request; names that it repeats from the one before count as one."""
        self._sets = sets
        self._length, self._hash = 0, 0
        self._names: frozenset[str] = frozenset()
        self._count = 0
        self._introduction = _Introduction()

    def decode(self, data: bytes) -> Request:
        """The request encoded in `data`, however long it takes.

        Raises:
            ExcessiveRequest: it holds more than a client may ask for.
            InvalidRequest: it is not the encoding of a `DiscoveryRequest`.
        """
        return at_once(self.reading(data))

    def reading(self, data: bytes) -> Generator[None, None, Request]:
        """Read the request encoded in `data`, with a pause after each portion of a long one; raises as `decode`."""
        found: dict[int, bytes] = {}
        names: frozenset[str] = frozenset()
        scattered: set[str] = set()
        position = count = 0
        while position < len(data):
            number, start, end = field(data, position)
            count = _counted(count)
            if not count % _PORTION:
                yield
            if number == _NAMES and not names:
                known = position + self._length
                ends_there = known >= len(data) or data[known] != _NAMES
                if self._length and ends_there and hash(data[position:known]) == self._hash:
                    names, end = self._names, known
                else:
                    end = yield from self._read_names(data, position)
                    names = self._names
                    count += self._count
            elif number == _NAMES:  # any order of fields is valid, though nobody writes it
                scattered.add(intern(text(data[start:end])))
            elif number == _LOCATORS:
                scattered.update(_located(data[start:end]))
            elif number in _SINGLE and (number != _NODE or self._introduction.due):
                found[number] = data[start:end]
            position = end
        self.fields = count
        return Request(
            type_url=text(found.get(_TYPE_URL, b"")),
            names=self._sets.share(names | allowed(scattered)) if scattered else names,
            version=text(found.get(_VERSION, b"")),
            nonce=text(found.get(_NONCE, b"")),
            error=_error(found.get(_ERROR)),
            node=self._introduction.read(found.get(_NODE)),
        )

    def _read_names(self, data: bytes, start: int) -> Generator[None, None, int]:
        """Remember the names in a row from `start` on; returns where the row ends."""
        names, position, number, count = set[str](), start, _NAMES, 0
        while number == _NAMES:
            _, first, position = field(data, position)
            names.add(intern(text(data[first:position])))
            count = _counted(count)
            if not count % _PORTION:
                yield
            number = data[position] if position < len(data) else -1
        self._names, self._count = self._sets.share(allowed(names)), count
        self._length, self._hash = position - start, hash(data[start:position])
        return position


class DeltaRequestDecoder:
    """Decodes the incremental requests of one stream."""

    def __init__(self, sets: NameSets) -> None:
        self.fields = 0
        """Fields read of the last request."""
        self._sets = sets
        self._introduction = _Introduction()

    def decode(self, data: bytes) -> DeltaRequest:
        """The request encoded in `data`, however long it takes.

        Raises:
            ExcessiveRequest: it holds more than a client may ask for.
            InvalidRequest: it is not the encoding of a `DeltaDiscoveryRequest`.
        """
        return at_once(self.reading(data))

    def reading(self, data: bytes) -> Generator[None, None, DeltaRequest]:
        """Read the request encoded in `data`, with a pause after each portion of a long one; raises as `decode`."""
        found: dict[int, bytes] = {}
        lists: dict[int, set[str]] = {_SUBSCRIBE: set(), _UNSUBSCRIBE: set()}
        versions = Versions()
        position = count = 0
        while position < len(data):
            number, start, end = field(data, position)
            count = _counted(count)
            if not count % _PORTION:
                yield
            if number in lists:
                lists[number].add(intern(text(data[start:end])))
            elif number in (_SUBSCRIBE_LOCATORS, _UNSUBSCRIBE_LOCATORS):
                lists[_SUBSCRIBE if number == _SUBSCRIBE_LOCATORS else _UNSUBSCRIBE].update(_located(data[start:end]))
            elif number == _INITIAL:
                name, version = first_two(data[start:end])
                versions[intern(text(name))] = intern(text(version))
            elif number in _DELTA_SINGLE and (number != _DELTA_NODE or self._introduction.due):
                found[number] = data[start:end]
            position = end
        self.fields = count
        return DeltaRequest(
            type_url=text(found.get(_DELTA_TYPE_URL, b"")),
            subscribe=self._sets.share(allowed(lists[_SUBSCRIBE])),
            unsubscribe=self._sets.share(allowed(lists[_UNSUBSCRIBE])),
            initial_versions=self._sets.share_versions(allowed(versions)) if versions else versions,
            nonce=text(found.get(_DELTA_NONCE, b"")),
            error=_error(found.get(_DELTA_ERROR)),
            node=self._introduction.read(found.get(_DELTA_NODE)),
        )


RequestT = TypeVar("RequestT", Request, DeltaRequest)


def at_once(reading: Generator[None, None, RequestT]) -> RequestT:
    """Read on without pauses."""
    try:
        while True:
            next(reading)
    except StopIteration as end:
        request: RequestT = end.value
        return request


def _counted(fields_read: int) -> int:
    """One field more."""
    if fields_read >= _MAX_FIELDS:
        raise ExcessiveRequest(
            f"the request has more than {_MAX_FIELDS} fields; a client may ask for {MAX_NAMES} names"
        )
    return fields_read + 1


def _error(status: bytes | None) -> str | None:
    """Message of a `google.rpc.Status`, decoded leniently: Envoy quotes in it what it could not understand."""
    if status is None:
        return None
    messages = [value for number, value in fields(status) if number == _STATUS_MESSAGE]
    return messages[-1].decode(errors="replace") if messages else ""


class _Introduction:
    """The node of a stream's first request; those of later requests, 61 KB each by default, are passed over."""

    def __init__(self) -> None:
        self.due = True

    def read(self, data: bytes | None) -> Node | None:
        self.due = False
        return decode_node(data) if data is not None else None


def _located(locator: bytes) -> tuple[str, ...]:
    """The name in a `ResourceLocator`; one with parameters asks for something that nobody implements."""
    name, parameters = first_two(locator)
    return () if parameters else (intern(text(name)),)
