"""Calls of one question and one answer over gRPC, in bytes."""

from collections.abc import Sequence

import grpc.aio


async def call(address: str, method: str, request: bytes, timeout: float = 30.0) -> bytes:
    """The answer of a method, on a connection of its own.

    Args:
        address: what to connect to, such as `127.0.0.1:18000` or `unix:/path`.
        method: `/full.name.of.Service/Method`.
        request: the encoded message.
        timeout: seconds.

    Raises:
        grpc.aio.AioRpcError: the server refused.
    """
    options: Sequence[tuple[str, int]] = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        question: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        return await question(request, timeout=timeout)
