"""A client of any xDS v3 server: subscribes to clusters and their endpoints on one aggregated stream, as Envoy does.

It accepts whatever it is sent, and keeps it encoded: what is in it is for others to judge.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import grpc
import grpc.aio

from xds.codec.client import (
    Answer,
    Received,
    awaited_assignment,
    decode_delta_response,
    decode_response,
    encode_delta_request,
    encode_request,
)
from xds.message import InvalidRequest
from xds.node import Node
from xds.resource import CLUSTER, ENDPOINT

_SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService"

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # all clusters of a large site are one message
    ("grpc.enable_http_proxy", 0),  # Envoy asks none either
    ("grpc.use_local_subchannel_pool", 1),
)


class ClosedError(Exception):
    """The server cannot be reached, refuses the client or has ended the stream; the message is the status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where a server is, and how it is talked to."""

    address: str
    """As gRPC has it, such as `10.0.0.5:18000` or `unix:/run/xds.sock`."""
    ca: bytes | None = None
    """Certificates (PEM) by which the server is verified; plain text without."""
    certificate: bytes | None = None
    """With this chain (PEM), and the key, the client proves who it is."""
    private_key: bytes | None = None
    server_name: str = ""
    """What the server's certificate is for; empty for the host of the address."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a client has after a response."""

    clusters: Mapping[str, bytes]
    """Encoded, by name."""
    assignments: Mapping[str, bytes]
    """Encoded, by name."""
    versions: Mapping[str, str]
    """Of each type that was answered, by `type_url`."""
    missing: frozenset[str]
    """Assignments that were asked for, of which nothing was said yet."""

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for was answered."""
        return CLUSTER.url in self.versions and not self.missing


async def follow(server: ServerAddress, node: Node, *, delta: bool) -> AsyncGenerator[Holding, None]:
    """What the server sends to a node: after each response, everything that the client has.

    Raises:
        ClosedError: there is no stream, or none any more.
    """
    variant: _Variant = _Delta(node) if delta else _StateOfTheWorld(node)
    method = f"{_SERVICE}/{'DeltaAggregatedResources' if delta else 'StreamAggregatedResources'}"
    async with _channel(server) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(method)()
        try:
            await call.write(variant.first())
            while isinstance(data := await call.read(), bytes):
                for request in variant.take(data):
                    await call.write(request)
                yield variant.known.holding()
        except grpc.aio.AioRpcError as error:
            raise ClosedError(f"{error.code().name}: {error.details()}") from error
        except InvalidRequest as error:
            raise ClosedError("what it sends is no response of xDS v3") from error
        except asyncio.InvalidStateError:  # it ended while something was written
            pass
        finally:
            call.cancel()
        raise ClosedError(f"{(await call.code()).name}: {await call.details() or 'the server ended the stream'}")


@dataclass(slots=True)
class _Known:
    """What was received, and what is wanted by it."""

    resources: dict[str, dict[str, bytes]] = field(default_factory=lambda: {CLUSTER.url: {}, ENDPOINT.url: {}})
    versions: dict[str, str] = field(default_factory=dict)
    wanted: frozenset[str] = frozenset()
    """Names of assignments."""
    absent: set[str] = field(default_factory=set)
    """Of these, those that do not exist, as the server says."""

    def take(self, response: Received, *, whole: bool) -> None:
        held = self.resources.setdefault(response.type_url, {})
        if whole:
            held.clear()
        for name in response.removed:
            held.pop(name, None)
        held.update(response.resources)
        self.versions[response.type_url] = response.version
        if response.type_url == ENDPOINT.url:
            self.absent = (self.absent | response.removed) - response.resources.keys()

    def want(self) -> tuple[frozenset[str], frozenset[str]]:
        """The assignments that are wanted only now, and those that are no longer."""
        before = self.wanted
        clusters = self.resources[CLUSTER.url].items()
        names = (awaited_assignment(name, body) for name, body in clusters)
        self.wanted = frozenset(name for name in names if name is not None)
        for name in before - self.wanted:
            self.resources[ENDPOINT.url].pop(name, None)
        self.absent &= self.wanted
        return self.wanted - before, before - self.wanted

    def holding(self) -> Holding:
        assignments = {name: body for name, body in self.resources[ENDPOINT.url].items() if name in self.wanted}
        missing = self.wanted - assignments.keys() - self.absent
        return Holding(dict(self.resources[CLUSTER.url]), assignments, dict(self.versions), missing)


class _Variant(Protocol):
    """One of the two forms of the protocol."""

    known: _Known

    def first(self) -> bytes:
        """The first request."""

    def take(self, data: bytes) -> Iterator[bytes]:
        """Take a response; what is to be sent for it."""


class _StateOfTheWorld:
    def __init__(self, node: Node) -> None:
        self.known = _Known()
        self._node = node
        self._last = Answer()
        """To the last response about endpoints."""

    def first(self) -> bytes:
        return encode_request(CLUSTER.url, (), self._node, Answer())

    def take(self, data: bytes) -> Iterator[bytes]:
        response = decode_response(data)
        answer = Answer(version=response.version, nonce=response.nonce)
        self.known.take(response, whole=response.type_url == CLUSTER.url)
        if response.type_url == ENDPOINT.url:
            self._last = answer
            yield encode_request(ENDPOINT.url, self.known.wanted, None, answer)
            return
        yield encode_request(response.type_url, (), None, answer)
        if any(self.known.want()):
            yield encode_request(ENDPOINT.url, self.known.wanted, None, self._last)


class _Delta:
    def __init__(self, node: Node) -> None:
        self.known = _Known()
        self._node = node

    def first(self) -> bytes:
        return encode_delta_request(CLUSTER.url, (), (), self._node, Answer())

    def take(self, data: bytes) -> Iterator[bytes]:
        response = decode_delta_response(data)
        self.known.take(response, whole=False)
        yield encode_delta_request(response.type_url, (), (), None, Answer(nonce=response.nonce))
        if response.type_url == CLUSTER.url:
            subscribe, unsubscribe = self.known.want()
            if subscribe or unsubscribe:
                yield encode_delta_request(ENDPOINT.url, subscribe, unsubscribe, None, Answer())


def _channel(server: ServerAddress) -> grpc.aio.Channel:
    options: list[tuple[str, str | int]] = list(_OPTIONS)
    if server.ca is None:
        return grpc.aio.insecure_channel(server.address, options=options)
    if server.server_name:
        options.append(("grpc.ssl_target_name_override", server.server_name))
    credentials = grpc.ssl_channel_credentials(server.ca, server.private_key, server.certificate)
    return grpc.aio.secure_channel(server.address, credentials, options=options)
