"""A gRPC relay between clients and a server that keeps every request as it came, and can hang up on everybody."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import grpc
import grpc.aio

_Context = grpc.aio.ServicerContext[bytes, bytes]
_Call = grpc.aio.StreamStreamCall[bytes, bytes]


@dataclass(frozen=True, slots=True)
class RecordedStream:
    """The requests of one stream, in order."""

    method: str
    requests: list[bytes] = field(default_factory=list)

    @property
    def delta(self) -> bool:
        """Which variant it is."""
        return self.method.rpartition("/")[2].startswith("Delta")

    @property
    def aggregated(self) -> bool:
        """Whether it carries all types."""
        return "Aggregated" in self.method


class RequestRecorder(grpc.GenericRpcHandler):
    """Relays any method that streams both ways, for `async with`.

    Args:
        upstream: port of the server on loopback.
    """

    def __init__(self, upstream: int) -> None:
        self.port = 0
        self.streams: list[RecordedStream] = []
        self._upstream = upstream
        self._calls: set[_Call] = set()

    async def __aenter__(self) -> Self:
        """Listen on a port of its own."""
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{self._upstream}")
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers([self])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up and stop listening."""
        self.hang_up()
        await self._server.stop(grace=1)
        await self._channel.close()

    def hang_up(self) -> None:
        """End every stream; clients come back by themselves."""
        for call in self._calls:
            call.cancel()

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Take whatever method is asked for."""

        async def handle(_: AsyncIterator[bytes], context: _Context) -> None:
            await self._relay(details.method, context)

        return grpc.stream_stream_rpc_method_handler(handle)

    async def _relay(self, method: str, context: _Context) -> None:
        stream = RecordedStream(method)
        self.streams.append(stream)
        call: _Call = self._channel.stream_stream(method)()
        self._calls.add(call)
        requests = asyncio.create_task(_forward(stream, call, context))  # ended below, with its RPC
        try:
            while isinstance(message := await call.read(), bytes):
                await context.write(message)
        except asyncio.CancelledError:
            # Raised for our own hanging up too, which must reach the client as a status.
            if not call.cancelled():
                raise
        finally:
            self._calls.discard(call)
            requests.cancel()
            call.cancel()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the relay hung up")


async def _forward(stream: RecordedStream, call: _Call, context: _Context) -> None:
    while isinstance(message := await context.read(), bytes):
        stream.requests.append(message)
        await call.write(message)
    await call.done_writing()
