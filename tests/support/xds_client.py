"""A raw xDS client over gRPC: State of the World and Delta, aggregated and separate streams.

It answers nothing by itself: the test decides what is acknowledged, rejected or ignored. The messages are encoded and
decoded by envoy-data-plane, so that our own codec is never its own judge. What no response may hold whatever was asked,
such as a name twice or a TTL, it checks in each.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field

import grpc
import grpc.aio
from envoy_data_plane.envoy.config.core.v3 import Node
from envoy_data_plane.envoy.service.discovery.v3 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
)
from envoy_data_plane.google.protobuf import Any as Wrapped
from envoy_data_plane.google.rpc import Status

from xds import ENDPOINT, ResourceType

PATIENCE = 30.0
"""Seconds to wait for a response that must come."""

_AGGREGATED = "/envoy.service.discovery.v3.AggregatedDiscoveryService"


@dataclass(frozen=True)
class Transport:
    """One of the four ways in which Envoy talks xDS."""

    delta: bool
    aggregated: bool

    def __str__(self) -> str:
        return f"{'delta' if self.delta else 'sotw'}-{'ads' if self.aggregated else 'separate'}"

    def method(self, kind: ResourceType) -> str:
        """The gRPC method that carries this type."""
        if self.aggregated:
            return f"{_AGGREGATED}/{'DeltaAggregatedResources' if self.delta else 'StreamAggregatedResources'}"
        return f"/{kind.service}/{kind.delta_method if self.delta else kind.stream_method}"


TRANSPORTS = [Transport(delta=delta, aggregated=aggregated) for delta in (False, True) for aggregated in (True, False)]


@dataclass(frozen=True)
class Update:
    """A response, alike for both variants."""

    type_url: str
    version: str
    nonce: str
    resources: Mapping[str, bytes]
    """Encoded resources by name."""
    removed: frozenset[str] = frozenset()
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions by name; Delta only."""
    control_plane: str = ""

    @property
    def names(self) -> set[str]:
        """Names of the resources in it."""
        return set(self.resources)


class RawStream:
    """One RPC in bytes."""

    def __init__(self, channel: grpc.aio.Channel, method: str) -> None:
        self._call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(method)()

    async def send(self, message: bytes) -> None:
        """Write one message."""
        await self._call.write(message)

    async def receive(self, timeout: float = PATIENCE) -> bytes | None:
        """The next message; None when the server has ended the stream."""
        async with asyncio.timeout(timeout):
            message: object = await self._call.read()
        return message if isinstance(message, bytes) else None

    async def finish(self) -> None:
        """Say that no more requests come."""
        await self._call.done_writing()

    async def status(self, timeout: float = PATIENCE) -> grpc.StatusCode:
        """How the server ended the stream."""
        async with asyncio.timeout(timeout):
            code: grpc.StatusCode = await self._call.code()
        return code

    async def details(self) -> str:
        """What the server said when it ended the stream."""
        details: str | None = await self._call.details()
        return details or ""

    def cancel(self) -> None:
        """Hang up."""
        self._call.cancel()


class XdsClient:
    """Talks one transport to a server, on as many streams as that takes."""

    def __init__(
        self,
        port: int,
        transport: Transport,
        *,
        node: str | None = "node-1",
        cluster: str = "edge",
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.transport = transport
        self.node = Node(id=node, cluster=cluster) if node is not None else None
        """What each request says about the client."""
        self._channel = _channel(f"127.0.0.1:{port}", credentials)
        self._streams: dict[str, RawStream] = {}
        self._unread: dict[str, list[Update]] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._fences = 0
        self._kinds: dict[str, ResourceType] = {}

    async def close(self) -> None:
        """Hang up all streams."""
        for stream in self._streams.values():
            stream.cancel()
        await self._channel.close()

    def stream(self, kind: ResourceType) -> RawStream:
        """The stream that carries this type, opened if need be."""
        self._kinds[kind.url] = kind
        key = self.transport.method(kind)
        if key not in self._streams:
            self._streams[key] = RawStream(self._channel, key)
        return self._streams[key]

    async def subscribe(
        self,
        kind: ResourceType,
        names: Iterable[str] = (),
        *,
        nonce: str = "",
        version: str = "",
        held: Mapping[str, str] | None = None,
        error: str | None = None,
    ) -> None:
        """Ask for names besides those asked for before; no names in the first request ask for everything.

        Args:
            kind: the type.
            names: names to add.
            nonce: what the request answers.
            version: of the type, last accepted; SotW only.
            held: versions by name of what is held already; Delta only.
            error: makes it the rejection of what it answers.
        """
        added = frozenset(names)
        self._names[kind.url] = self._names.get(kind.url, frozenset()) | added
        if self.transport.delta:
            await self.request_delta(kind, subscribe=added, nonce=nonce, held=held or {}, error=error)
        else:
            await self.request(kind, self._names[kind.url], nonce=nonce, version=version, error=error)

    async def unsubscribe(self, kind: ResourceType, names: Iterable[str], *, nonce: str = "") -> None:
        """Stop asking for names."""
        dropped = frozenset(names)
        self._names[kind.url] = self._names.get(kind.url, frozenset()) - dropped
        if self.transport.delta:
            await self.request_delta(kind, unsubscribe=dropped, nonce=nonce)
        else:
            await self.request(kind, self._names[kind.url], nonce=nonce)

    async def repeat(self, kind: ResourceType, *, nonce: str = "", version: str = "", error: str | None = None) -> None:
        """Ask for what was asked for before, with any answer to a response."""
        if self.transport.delta:
            await self.request_delta(kind, nonce=nonce, error=error)
        else:
            names = self._names.get(kind.url, frozenset())
            await self.request(kind, names, nonce=nonce, version=version, error=error)

    async def ack(self, update: Update) -> None:
        """Accept a response."""
        await self._answer(update, None)

    async def nack(self, update: Update, message: str = "rejected") -> None:
        """Reject a response."""
        await self._answer(update, message)

    async def receive(self, kind: ResourceType, timeout: float = PATIENCE) -> Update:
        """The next response of a type; responses of other types wait until they are asked for."""
        unread = self._unread.setdefault(kind.url, [])
        while not unread:
            update = await self.receive_any(self.stream(kind), timeout)
            self._unread.setdefault(update.type_url, []).append(update)
        return unread.pop(0)

    async def receive_any(self, stream: RawStream, timeout: float = PATIENCE) -> Update:
        """The next response on a stream, whatever its type."""
        message = await stream.receive(timeout)
        if message is None:
            raise AssertionError(f"the server ended the stream: {await stream.status()}, {await stream.details()!r}")
        return _delta_update(message) if self.transport.delta else _sotw_update(message)

    async def accept(self, kind: ResourceType, timeout: float = PATIENCE) -> Update:
        """Receive the next response of a type and accept it."""
        update = await self.receive(kind, timeout)
        await self.ack(update)
        return update

    async def expect_silence(self) -> None:
        """Nothing is under way on the stream of assignments: its next message answers what is asked only now."""
        self._fences += 1
        fence = f"fence-{self._fences}"
        await self.subscribe(ENDPOINT, [fence])
        update = await self.receive_any(self.stream(ENDPOINT))
        assert (update.type_url, update.names | update.removed) == (ENDPOINT.url, {fence})
        await self.ack(update)

    async def request(
        self,
        kind: ResourceType,
        names: Iterable[str] = (),
        *,
        nonce: str = "",
        version: str = "",
        error: str | None = None,
    ) -> None:
        """Send a `DiscoveryRequest` as it is given here."""
        detail = None if error is None else Status(code=13, message=error)
        await self.stream(kind).send(
            bytes(
                DiscoveryRequest(
                    version_info=version,
                    node=self.node,
                    resource_names=sorted(names),
                    type_url=kind.url,
                    response_nonce=nonce,
                    error_detail=detail,
                )
            )
        )

    async def request_delta(
        self,
        kind: ResourceType,
        *,
        subscribe: Iterable[str] = (),
        unsubscribe: Iterable[str] = (),
        held: Mapping[str, str] | None = None,
        nonce: str = "",
        error: str | None = None,
    ) -> None:
        """Send a `DeltaDiscoveryRequest` as it is given here."""
        detail = None if error is None else Status(code=13, message=error)
        await self.stream(kind).send(
            bytes(
                DeltaDiscoveryRequest(
                    node=self.node,
                    type_url=kind.url,
                    resource_names_subscribe=sorted(subscribe),
                    resource_names_unsubscribe=sorted(unsubscribe),
                    initial_resource_versions=dict(held or {}),
                    response_nonce=nonce,
                    error_detail=detail,
                )
            )
        )

    async def _answer(self, update: Update, error: str | None) -> None:
        kind = self._kinds[update.type_url]
        await self.repeat(kind, nonce=update.nonce, version=update.version, error=error)


@contextlib.asynccontextmanager
async def connected(
    port: int, transport: Transport, *, node: str | None = "node-1", credentials: grpc.ChannelCredentials | None = None
) -> AsyncIterator[XdsClient]:
    """A client that hangs up at the end; with TLS where it has credentials."""
    client = XdsClient(port, transport, node=node, credentials=credentials)
    try:
        yield client
    finally:
        await client.close()


def _channel(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    options = [("grpc.use_local_subchannel_pool", 1)]
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)


def _sotw_update(message: bytes) -> Update:
    response = DiscoveryResponse.parse(message)
    _assert_absent(response.canary, response.resource_errors)
    names = [_first_string(resource.value) for resource in response.resources]
    return _checked(
        Update(
            response.type_url,
            response.version_info,
            response.nonce,
            dict(zip(names, _bodies(response.type_url, response.resources), strict=True)),
            control_plane=response.control_plane.identifier if response.control_plane else "",
        ),
        names,
    )


def _delta_update(message: bytes) -> Update:
    response = DeltaDiscoveryResponse.parse(message)
    _assert_absent(response.removed_resource_names, response.resource_errors)
    names = [resource.name for resource in response.resources]
    for each in response.resources:
        _assert_absent(each.ttl, each.aliases, each.cache_control, each.resource_name, each.metadata)
    wrapped = [each.resource for each in response.resources if each.resource]
    assert names == [_first_string(each.value) for each in wrapped]
    return _checked(
        Update(
            response.type_url,
            response.system_version_info,
            response.nonce,
            dict(zip(names, _bodies(response.type_url, wrapped), strict=True)),
            frozenset(response.removed_resources),
            {each.name: each.version for each in response.resources},
            control_plane=response.control_plane.identifier if response.control_plane else "",
        ),
        names,
    )


def _assert_absent(*fields: object) -> None:
    """Envoy reads none of them, or does what nobody wants when it does."""
    assert not any(fields)


def _checked(update: Update, names: list[str]) -> Update:
    """The update, if it has what each must have."""
    assert update.version
    assert update.nonce
    assert len(set(names)) == len(names), f"a name is in the response twice: {names}"
    assert update.removed.isdisjoint(names), f"names are both there and gone: {names}, {update.removed}"
    return update


def _bodies(type_url: str, resources: Iterable[Wrapped]) -> list[bytes]:
    resources = list(resources)
    assert all(resource.type_url == type_url for resource in resources), "another type, or a wrapper of it"
    return [resource.value for resource in resources]


def _first_string(message: bytes) -> str:
    # The name of each type of resource is its field 1, and written first.
    assert message[0] == 0x0A
    assert message[1] < 0x80, "names in tests are shorter than 128 bytes"
    return message[2 : 2 + message[1]].decode()
