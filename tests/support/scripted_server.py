"""A gRPC server that knows no xDS: it shows the test what a client sends, and sends what the test says.

For facts about clients which a well-behaved server never brings about. Messages are those of envoy-data-plane.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import grpc.aio
from envoy_data_plane.envoy.service.discovery.v3 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Resource,
)
from envoy_data_plane.google.protobuf import Any

from support.envoy_content import Content
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT, ResourceType

_Context = grpc.aio.ServicerContext[bytes, bytes]


@dataclass(frozen=True)
class Asked:
    """A request, alike for both variants."""

    kind: str
    """`type_url`."""
    names: frozenset[str]
    """All names of State of the World, those to subscribe to of Delta."""
    dropped: frozenset[str]
    """Names to unsubscribe from; Delta only."""
    version: str
    """`version_info`; State of the World only."""
    held: Mapping[str, str]
    """`initial_resource_versions`; Delta only."""
    nonce: str
    error: str | None
    size: int
    """Of the whole message, in bytes."""

    def accepts(self, nonce: str) -> bool:
        """Whether it is the ACK of this response."""
        return self.nonce == nonce and self.error is None

    def rejects(self, nonce: str) -> bool:
        """Whether it is the NACK of this response."""
        return self.nonce == nonce and self.error is not None


@dataclass
class ScriptedStream:
    """One RPC. What was asked on it is kept, in order."""

    method: str
    delta: bool
    _context: _Context
    asked: list[Asked] = field(default_factory=list)
    ending: "asyncio.Future[grpc.StatusCode]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    _read: dict[str, int] = field(default_factory=dict)

    def of(self, kind: ResourceType) -> list[Asked]:
        """All requests for a type so far."""
        return [each for each in self.asked if each.kind == kind.url]

    async def request(self, kind: ResourceType) -> Asked:
        """The next request for a type."""
        count = self._read.get(kind.url, 0)
        await eventually(lambda: len(self.of(kind)) > count, what=f"request {count + 1} for {kind.url}")
        self._read[kind.url] = count + 1
        return self.of(kind)[count]

    def names_asked(self) -> set[str]:
        """All names of endpoints that were ever asked for."""
        return {name for each in self.of(ENDPOINT) for name in each.names}

    async def accepted(self, kind: ResourceType, nonce: str) -> None:
        """Wait for the ACK of a response."""
        await eventually(lambda: any(each.accepts(nonce) for each in self.of(kind)), what=f"{nonce} is accepted")

    async def rejected(self, kind: ResourceType, nonce: str) -> None:
        """Wait for the NACK of a response."""
        await eventually(lambda: any(each.rejects(nonce) for each in self.of(kind)), what=f"{nonce} is rejected")

    async def asks_for(self, content: Content) -> None:
        """Wait until the endpoints of all clusters of `content` were asked for."""
        await eventually(lambda: self.names_asked() == content.services.keys(), what="Envoy asks for endpoints")

    async def converse(self, content: Content) -> None:
        """Give all of `content` to an Envoy that asks for it on this one stream; it is accepted as `c1` and `e1`."""
        await self.request(CLUSTER)
        await self.serve(CLUSTER, content, "c1")
        await self.accepted(CLUSTER, "c1")
        if content.services:
            await self.asks_for(content)
            await self.serve(ENDPOINT, content, "e1")
            await self.accepted(ENDPOINT, "e1")

    async def serve(self, kind: ResourceType, content: Content, nonce: str, *names: str) -> None:
        """Send resources of `content`: those named, or all."""
        await self.respond(kind, content.bodies(kind, *names), nonce=nonce)

    async def serve_changed(self, content: Content, nonce: str, *names: str) -> None:
        """Send clusters of `content` as the variant wants it: those named, or all where a response must be complete."""
        await self.serve(CLUSTER, content, nonce, *(names if self.delta else ()))

    async def respond(
        self,
        kind: ResourceType | str,
        resources: Mapping[str, bytes] | None = None,
        *,
        nonce: str,
        removed: Iterable[str] = (),
    ) -> None:
        """Send a response; the nonce is its version too."""
        url = kind if isinstance(kind, str) else kind.url
        bodies = {name: Any(type_url=url, value=body) for name, body in (resources or {}).items()}
        if not self.delta:
            response = DiscoveryResponse(version_info=nonce, resources=list(bodies.values()), type_url=url, nonce=nonce)
            await self._context.write(bytes(response))
            return
        wrapped = [Resource(name=name, version=nonce, resource=body) for name, body in bodies.items()]
        await self._context.write(
            bytes(
                DeltaDiscoveryResponse(
                    system_version_info=nonce,
                    resources=wrapped,
                    removed_resources=list(removed),
                    type_url=url,
                    nonce=nonce,
                )
            )
        )

    def end(self, status: grpc.StatusCode = grpc.StatusCode.OK) -> None:
        """End the RPC."""
        if not self.ending.done():
            self.ending.set_result(status)

    async def read_all(self) -> None:
        """Take in requests until the client has said its last."""
        while isinstance(data := await self._read_one(), bytes):
            self.asked.append(_asked_delta(data) if self.delta else _asked(data))

    async def _read_one(self) -> object:
        message: object = await self._context.read()
        return message


class ScriptedServer(grpc.GenericRpcHandler):
    """Takes any RPC."""

    def __init__(self) -> None:
        self.streams: list[ScriptedStream] = []
        self.port = 0
        self._handed_out = 0
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen on a port from the operating system."""
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers([self])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()

    async def stop(self) -> None:
        """End all RPCs."""
        for stream in self.streams:
            stream.end()
        if self._server:
            await self._server.stop(grace=1)

    async def say_goodbye(self, grace: float) -> None:
        """Take no more RPCs and tell clients so; return when those under way have ended, or after `grace` seconds."""
        if self._server:
            await self._server.stop(grace)

    async def stream(self) -> ScriptedStream:
        """The next RPC that a client opens."""
        count = self._handed_out
        await eventually(lambda: len(self.streams) > count, what=f"RPC {count + 1} is opened")
        self._handed_out += 1
        return self.streams[count]

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Called by gRPC for each RPC."""
        method = handler_call_details.method

        async def handle(_: AsyncIterator[bytes], context: _Context) -> None:
            stream = ScriptedStream(method, "Delta" in method.rpartition("/")[2], context)
            self.streams.append(stream)
            reading = asyncio.create_task(stream.read_all())
            reading.add_done_callback(lambda _: stream.end())
            status = await stream.ending
            reading.cancel()
            if status is not grpc.StatusCode.OK:
                await context.abort(status, "as the test says")

        return grpc.stream_stream_rpc_method_handler(handle)


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """A started server, stopped after the block."""
    server = ScriptedServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def _asked(data: bytes) -> Asked:
    request = DiscoveryRequest.parse(data)
    return Asked(
        kind=request.type_url,
        names=frozenset(request.resource_names),
        dropped=frozenset(),
        version=request.version_info,
        held={},
        nonce=request.response_nonce,
        error=request.error_detail.message if request.error_detail else None,
        size=len(data),
    )


def _asked_delta(data: bytes) -> Asked:
    request = DeltaDiscoveryRequest.parse(data)
    return Asked(
        kind=request.type_url,
        names=frozenset(request.resource_names_subscribe),
        dropped=frozenset(request.resource_names_unsubscribe),
        version="",
        held=request.initial_resource_versions,
        nonce=request.response_nonce,
        error=request.error_detail.message if request.error_detail else None,
        size=len(data),
    )
