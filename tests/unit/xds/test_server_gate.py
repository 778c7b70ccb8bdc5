"""The gate in front of any service, of every kind of method."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest

from support.stream_recorder import StreamRecorder
from support.xds_client import RawStream
from xds import Reason
from xds.server.connection import Context
from xds.server.gate import Gate

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class Echo(grpc.GenericRpcHandler):
    """A service with one method of each kind, named for the kind."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        async def once(_: object, __: Context) -> bytes:
            return b"served"

        async def streaming(_: object, context: Context) -> None:
            await context.write(b"served")

        kind = handler_call_details.method.rpartition("/")[2]
        if kind not in KINDS:
            return None
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        handler: grpc.RpcMethodHandler[bytes, bytes] = make(streaming if kind.endswith("stream") else once)
        return handler


@pytest.fixture
def recorder() -> StreamRecorder:
    return StreamRecorder()


@pytest.fixture
async def targets(recorder: StreamRecorder, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """A server behind a gate that nobody without TLS passes, by TCP and by a unix socket."""
    server = grpc.aio.server(interceptors=[Gate(["*"], recorder)])
    server.add_generic_rpc_handlers([Echo()])
    socket = f"unix:{tmp_path / 'socket'}"
    port = server.add_insecure_port("127.0.0.1:0")
    server.add_insecure_port(socket)
    await server.start()
    yield {"tcp": f"127.0.0.1:{port}", "unix": socket}
    await server.stop(0)


async def nothing() -> AsyncIterator[bytes]:
    """Requests that never come: one that is sent into the end of its call fails, as the client's own error."""
    await asyncio.Event().wait()
    yield b""


async def call(target: str, kind: str) -> bytes:
    """The answer to a call.

    Raises:
        AioRpcError: it was refused.
    """
    async with grpc.aio.insecure_channel(target) as channel:
        method = getattr(channel, kind)(f"/service/{kind}")
        requests = nothing() if kind.startswith("stream") else b"request"
        if not kind.endswith("stream"):
            answer: bytes = await method(requests)
            return answer
        return b"".join([part async for part in method(requests)])


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_without_a_name_calls_anything(
    targets: dict[str, str], kind: str, recorder: StreamRecorder
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(targets["tcp"], kind)

    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert recorder.of("refused") == [(Reason.NAME_NOT_ALLOWED, caught.value.details())]


@pytest.mark.parametrize("kind", KINDS)
async def test_who_comes_through_a_socket_needs_no_name(targets: dict[str, str], kind: str) -> None:
    assert await call(targets["unix"], kind) == b"served"


async def test_what_is_not_there_is_unimplemented_for_everybody(targets: dict[str, str]) -> None:
    async with grpc.aio.insecure_channel(targets["tcp"]) as channel:
        assert await RawStream(channel, "/service/missing").status() is grpc.StatusCode.UNIMPLEMENTED
