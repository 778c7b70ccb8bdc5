"""How a command talks to a running bridge: HTTP over its unix socket, or, to read, over the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
from pydantic import ValidationError
from yarl import URL

from bridge.answer import ModelT, Refusal, parsed, reason
from bridge.errors import BridgeError

CONNECTING = 5.0
"""Seconds that a connection may take."""

ANSWERING = 30.0
"""Seconds that an answer may take that the bridge has at hand."""


class UnreachableError(BridgeError):
    """No bridge answers there."""


class RefusedError(BridgeError):
    """The bridge does not do what it was asked for, and says why."""


class UnknownError(RefusedError):
    """There is no such thing; the message may name others."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a bridge: its socket, or the URL of its admin server."""

    place: Path | str
    patience: float = ANSWERING
    """Seconds that the whole may take."""

    def connector(self) -> aiohttp.BaseConnector:
        """What connects; on the event loop."""
        if isinstance(self.place, Path):
            return aiohttp.UnixConnector(str(self.place))
        return aiohttp.TCPConnector()

    def url(self, path: str) -> URL:
        """What to ask for."""
        return URL("http://localhost" if isinstance(self.place, Path) else self.place.rstrip("/")) / path


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
    raise UnreachableError("\n".join(failures))


async def change(way: Way, path: str, body: Mapping[str, object], model: type[ModelT]) -> ModelT:
    """What a bridge answers to a change.

    Raises:
        UnreachableError: it cannot be reached, and nothing was changed; or it broke off, and nobody knows.
        RefusedError: it refuses, and nothing was changed.
    """
    return await _ask("POST", way, way.url(path), body, model)


async def _ask(method: str, way: Way, url: URL, body: Mapping[str, object] | None, model: type[ModelT]) -> ModelT:
    timeout = aiohttp.ClientTimeout(total=way.patience, connect=CONNECTING)
    try:
        async with (
            aiohttp.ClientSession(connector=way.connector(), timeout=timeout) as session,
            session.request(method, url, json=body) as response,
        ):
            status, text = response.status, await response.text()
    except aiohttp.ClientConnectorError as error:
        raise UnreachableError(f"cannot reach a bridge on {way.place} ({reason(error.os_error)})") from error
    except aiohttp.ClientResponseError as error:
        raise UnreachableError(f"what answers on {way.place} is no admin server of a bridge") from error
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise UnreachableError(f"no answer from {way.place} ({error or type(error).__name__})") from error
    return _parsed(way, status, text, model)


def _parsed(way: Way, status: int, text: str, model: type[ModelT]) -> ModelT:
    try:
        answer = parsed(status, text, model)
    except ValidationError as error:
        raise RefusedError(f"{way.place} answers {status} as no bridge of this version does") from error
    if isinstance(answer, Refusal):
        refusal = UnknownError if status == HTTPStatus.NOT_FOUND else RefusedError
        raise refusal("\n".join([answer.error, *answer.losses]))
    return answer
