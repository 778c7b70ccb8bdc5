"""How a peer is asked: HTTP, of its admin server. A failure of any kind is one error, for people to read."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
from pydantic import BaseModel, ValidationError
from yarl import URL

from bridge.answer import ModelT, Refusal, parsed, reason
from bridge.errors import BridgeError
from bridge.peers.comparison import alias

VERSIONS = "/api/v1/versions"
"""The path at which a replica answers its peers; below it, each view by its alias."""

TIMEOUT = aiohttp.ClientTimeout(total=5.0)
LARGEST = 16 << 20
"""Bytes of an answer: some 800,000 services."""


class PeerError(BridgeError):
    """A peer cannot be asked now; the message says why."""


class Told(BaseModel):
    """What a replica says of itself."""

    instance: str
    """Of the process: no two have the same."""
    views: Mapping[str, Mapping[str, str]]
    """The versions of each view, by its alias; empty while it does not answer Envoys."""


class _Fingerprints(BaseModel):
    services: frozenset[str]


class PeerClient:
    """Asks peers; an async context, which holds the connections."""

    async def __aenter__(self) -> Self:
        """Be ready to connect."""
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self._session.close()

    async def versions(self, peer: str) -> Told:
        """What a peer serves. Raises PeerError."""
        return await self._ask(f"{peer}{VERSIONS}", Told)

    async def fingerprints(self, peer: str, view: str) -> frozenset[str]:
        """Those of the services that a peer serves in the view that this side calls so. Raises PeerError."""
        return (await self._ask(f"{peer}{VERSIONS}/{alias(view)}", _Fingerprints)).services

    async def _ask(self, url: str, model: type[ModelT]) -> ModelT:
        try:
            async with self._session.get(URL(url, encoded=True), allow_redirects=False) as response:
                status, body = response.status, await _body(response)
        except aiohttp.ClientConnectorError as error:
            raise PeerError(f"cannot connect ({reason(error.os_error)})") from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise PeerError(f"no answer ({str(error) or type(error).__name__})") from error
        return _parsed(status, body, model)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > LARGEST:
            raise PeerError(f"an answer of more than {LARGEST} bytes")
    return bytes(body)


def _parsed(status: int, body: bytes, model: type[ModelT]) -> ModelT:
    try:
        answer = parsed(status, body, model)
    except ValidationError as error:
        raise PeerError(f"answers {status} as no replica of this version does") from error
    if isinstance(answer, Refusal):
        raise PeerError(f"answers {status}: {answer.error[:300]}")
    return answer
