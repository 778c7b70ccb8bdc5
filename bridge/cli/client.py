"""How a command talks to a running bridge: HTTP over its unix socket, or, to read, over the network.

An Envoy's own admin interface is asked in the same way.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import aiohttp
from pydantic import ValidationError
from yarl import URL

from bridge.answer import ModelT, PageT, Refusal, parsed, reason
from bridge.errors import BridgeError

CONNECTING = 5.0
"""Seconds that a connection may take."""

ANSWERING = 30.0
"""Seconds that an answer may take that the bridge has at hand, from the first byte to the last."""

LARGEST = 128 << 20
"""Bytes of an answer that are read: 10,000 endpoints may have 12 KiB of metadata each."""

LONGEST = 300.0
"""Seconds that all pages of an answer may take together."""


class UnreachableError(BridgeError):
    """No bridge answers there."""


class RefusedError(BridgeError):
    """The bridge does not do what it was asked for, and says why."""


class NotThereError(RefusedError):
    """There is nothing of the kind that the bridge was asked about; its message says what there is."""


class WrongQueryError(RefusedError):
    """There is nothing of the kind that a question was to be narrowed down to, such as a source."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a bridge, or an Envoy: its socket, or the URL of its admin server."""

    place: Path | str
    patience: float = ANSWERING
    """Seconds that the whole may take."""
    who: str = "a bridge"

    def connector(self) -> aiohttp.BaseConnector:
        """What connects; on the event loop."""
        if isinstance(self.place, Path):
            return aiohttp.UnixConnector(str(self.place))
        return aiohttp.TCPConnector()

    def url(self, path: str) -> URL:
        """What to ask for; the path is percent-encoded already, see `named`."""
        base = URL("http://localhost" if isinstance(self.place, Path) else self.place)
        return base.with_path(f"{base.raw_path.rstrip('/')}/{path}", encoded=True)


def named(path: str, name: str) -> str:
    """The path of what has that name, whatever is in it: dots too, since `..` would ask for something else."""
    return f"{path}/{quote(name, safe='').replace('.', '%2E')}"


_REFUSALS: Mapping[int, type[RefusedError]] = {
    HTTPStatus.NOT_FOUND: NotThereError,
    HTTPStatus.BAD_REQUEST: WrongQueryError,
}


async def read(ways: Sequence[Way], path: str, model: type[ModelT], query: Mapping[str, str] | None = None) -> ModelT:
    """What a bridge answers, by the first way on which one can be reached.

    Raises:
        UnreachableError: there is none on any of them.
        RefusedError: it does not answer that.
    """
    failures = []
    for way in ways:
        try:
            return await _ask("GET", way, way.url(path).with_query(query), None, model)
        except UnreachableError as error:
            failures.append(str(error))
    raise UnreachableError("; ".join(failures))


async def pages(
    ways: Sequence[Way], path: str, model: type[PageT], query: Mapping[str, str] | None = None
) -> Sequence[PageT]:
    """What a bridge answers that has more to tell than fits into an answer, from the beginning to the end.

    Raises:
        UnreachableError: as `read`.
        RefusedError: as `read`.
    """
    try:
        async with asyncio.timeout(LONGEST):
            found = [await read(ways, path, model, query)]
            while (after := found[-1].after) is not None:
                found.append(await read(ways, path, model, {**(query or {}), "after": after}))
    except TimeoutError as error:
        tried = " and ".join(str(way.place) for way in ways)
        raise UnreachableError(f"the pages of {tried} have no end ({LONGEST:g} s)") from error
    return found


async def change(way: Way, path: str, body: Mapping[str, object], model: type[ModelT]) -> ModelT:
    """What a bridge answers to a change.

    Raises:
        UnreachableError: it cannot be reached, and nothing was changed; or it broke off, and nobody knows.
        RefusedError: it refuses, and nothing was changed.
    """
    return await _ask("POST", way, way.url(path), body, model)


async def _ask(method: str, way: Way, url: URL, sent: Mapping[str, object] | None, model: type[ModelT]) -> ModelT:
    timeout = aiohttp.ClientTimeout(total=way.patience, connect=CONNECTING)
    try:
        async with (
            aiohttp.ClientSession(connector=way.connector(), timeout=timeout) as session,
            session.request(method, url, json=sent, allow_redirects=False) as response,
        ):
            status, body = response.status, await _body(way, response)
    except aiohttp.ClientConnectorError as error:
        raise UnreachableError(f"cannot reach {way.who} on {way.place} ({reason(error.os_error)})") from error
    except aiohttp.ClientResponseError as error:
        raise UnreachableError(f"what answers on {way.place} is no admin server of {way.who}") from error
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise UnreachableError(f"no answer from {way.place} ({str(error) or _nameless(way, error)})") from error
    return _parsed(way, status, body, model)


async def _body(way: Way, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for portion in response.content.iter_chunked(1 << 16):
        body += portion
        if len(body) > LARGEST:
            raise UnreachableError(f"what answers on {way.place} sends more than {LARGEST >> 20} MiB")
    return bytes(body)


def _nameless(way: Way, error: Exception) -> str:
    """What happened, of an exception that does not say."""
    return f"not whole within {way.patience:g} s" if isinstance(error, TimeoutError) else type(error).__name__


def _parsed(way: Way, status: int, body: bytes, model: type[ModelT]) -> ModelT:
    try:
        answer = parsed(status, body, model)
    except ValidationError as error:
        raise RefusedError(
            f"{way.place} answers {status}, and not as {way.who} does that this command knows"
        ) from error
    if isinstance(answer, Refusal):
        raise _REFUSALS.get(status, RefusedError)("\n".join([answer.error, *answer.losses]))
    return answer
