"""How a peer is asked: HTTP, of its admin server. A failure of any kind is one error, for people to read."""

import asyncio
import socket
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from types import TracebackType
from typing import Annotated, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import BaseModel, PlainValidator, ValidationError
from yarl import URL

from bridge.answer import ModelT, Refusal, parsed, reason
from bridge.errors import BridgeError
from bridge.peers.comparison import FINGERPRINT, alias

VERSIONS = "/api/v1/versions"
"""The path at which a replica answers its peers; below it, each view by its alias."""

TIMEOUT = aiohttp.ClientTimeout(total=5.0)
LARGEST = 16 << 20
"""Bytes of an answer: some million services."""

NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
"""Says of an address that it needs no looking up."""


class PeerError(BridgeError):
    """A peer cannot be asked now; the message says why."""


class Told(BaseModel):
    """What a replica says of itself."""

    instance: str
    """Of the process: no two have the same."""
    views: Mapping[str, Mapping[str, str]]
    """The versions of each view, by its alias; empty while it does not answer Envoys."""


def _split(value: object) -> frozenset[str]:
    """Fingerprints that were written one after another.

    Split here, since pydantic makes all of what it makes in one go, for which the event loop would have to wait.
    """
    if not isinstance(value, str) or len(value) % FINGERPRINT:
        raise ValueError("no fingerprints")
    return frozenset(value[start : start + FINGERPRINT] for start in range(0, len(value), FINGERPRINT))


class _Fingerprints(BaseModel):
    services: Annotated[frozenset[str], PlainValidator(_split)]


class PeerClient:
    """Asks peers; an async context, which holds the connections.

    Args:
        executor: where answers are read.
        peers: how many there are; looking up the name of one keeps no other waiting.
    """

    def __init__(self, executor: Executor, peers: int) -> None:
        self._executor = executor
        self._peers = peers

    async def __aenter__(self) -> Self:
        """Be ready to connect."""
        self._resolver = _Resolver(self._peers)
        connector = aiohttp.TCPConnector(resolver=self._resolver)
        self._session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self._session.close()
        await self._resolver.close()

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
        return await asyncio.get_running_loop().run_in_executor(self._executor, _parsed, status, body, model)


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


class _Resolver(AbstractResolver):
    """Looks up names in threads of its own: that of aiohttp does so in those of the event loop."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, "peers-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return await asyncio.get_running_loop().run_in_executor(self._executor, _resolved, host, port, family)

    async def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _resolved(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    results = []
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    for kind, _, protocol, _, address in found:
        # With the interface of an address that needs one.
        number, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        results.append(ResolveResult(hostname=host, host=number, port=port, family=kind, proto=protocol, flags=NUMERIC))
    return results
