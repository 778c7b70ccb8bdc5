"""A process that misbehaves towards an xDS server: `python flooder.py KIND PORT NUMBER…`, see the functions.

It says in lines of JSON what it has done, and then stays until it is killed. It imports nothing of ours.
"""

import asyncio
import contextlib
import itertools
import json
import resource
import sys
from collections import Counter

import grpc
import grpc.aio

DELTA = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
_TYPE_URL = b"type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"

Call = grpc.aio.StreamStreamCall[bytes, bytes]


def ask(name: str) -> bytes:
    """A `DeltaDiscoveryRequest` for one assignment."""
    fields = ((2, _TYPE_URL), (3, name.encode()))
    return b"".join(bytes((number << 3 | 2, len(value))) + value for number, value in fields)


def acknowledge(answer: bytes) -> bytes:
    """The request that accepts a `DeltaDiscoveryResponse`; its last field is the nonce, which is short."""
    length = next(n for n in range(1, len(answer)) if answer[-n - 2 : -n] == bytes((5 << 3 | 2, n)))
    fields = ((2, _TYPE_URL), (6, answer[-length:]))
    return b"".join(bytes((number << 3 | 2, len(value))) + value for number, value in fields)


def say(counts: dict[str, int]) -> None:
    """Tell the test."""
    print(json.dumps(counts), flush=True)


def channel(port: int) -> grpc.aio.Channel:
    """A connection of its own."""
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])


async def status(call: Call) -> str:
    """How a call ended, in small letters."""
    code: grpc.StatusCode = await call.code()
    return code.name.lower()


async def unread(port: int, clients: int, streams: int) -> None:
    """Clients that ask for the bulk on so many streams each, and never read an answer; answered pings say they live."""
    calls = list[Call]()
    channels = [channel(port) for _ in range(clients)]
    for each, _ in itertools.product(channels, range(streams)):
        calls.append(each.stream_stream(DELTA)())
        await calls[-1].write(ask("bulk"))
    say({"asked": len(calls)})
    await asyncio.gather(*map(status, calls))
    say({"ended": len(calls)})


async def comers(port: int, rounds: int) -> None:
    """One after the other asks for the bulk, does not read it, and sends nonsense to be rid of its stream."""
    async with channel(port) as one:
        ended = Counter[str]()
        for _ in range(rounds):
            try:
                call: Call = one.stream_stream(DELTA)()
                await call.write(ask("bulk"))
                await asyncio.sleep(0.05)
                await call.write(b"\xff\xff")
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                ended["gone"] += 1
        say({"asked": rounds, **ended})
        await asyncio.Event().wait()


async def cancel(port: int, count: int) -> None:
    """Open so many streams and cancel each at once."""
    async with channel(port) as one:

        async def some(share: int) -> None:
            for _ in range(share):
                call: Call = one.stream_stream(DELTA)()
                await call.write(ask("control"))
                call.cancel()

        await asyncio.gather(*(some(count // 50) for _ in range(50)))
        say({"cancelled": count})
        await asyncio.Event().wait()


async def streams(port: int, count: int) -> None:
    """Open so many streams on one connection, and keep them."""
    async with channel(port) as one:
        calls: list[Call] = [one.stream_stream(DELTA)() for _ in range(count)]

        async def outcome(call: Call) -> str:
            try:
                await call.write(ask("control"))
                return "answered" if await call.read() is not grpc.aio.EOF else await status(call)
            except grpc.aio.AioRpcError as error:
                # This client forgets the status of a call that ends while it writes.
                return "ended" if error.code() is grpc.StatusCode.INTERNAL else error.code().name.lower()

        say(Counter(await asyncio.gather(*map(outcome, calls))))
        await asyncio.Event().wait()


async def connections(port: int, count: int) -> None:
    """So many clients on connections of their own, all at once; each reads what it asked for."""
    channels = [channel(port) for _ in range(count)]
    calls: list[Call] = [each.stream_stream(DELTA)() for each in channels]

    async def answered(call: Call) -> int:
        await call.write(ask("control"))
        return isinstance(await call.read(), bytes)

    say({"answered": sum(await asyncio.gather(*map(answered, calls)))})
    await asyncio.Event().wait()


async def followers(port: int, count: int) -> None:
    """So many clients on connections of their own, which acknowledge every change."""
    channels = [channel(port) for _ in range(count)]
    calls: list[Call] = [each.stream_stream(DELTA)() for each in channels]

    async def follow(call: Call, ready: asyncio.Semaphore) -> None:
        await call.write(ask("control"))
        while isinstance(answer := await call.read(), bytes):
            await call.write(acknowledge(answer))
            ready.release()

    ready = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as tasks:
        for call in calls:
            tasks.create_task(follow(call, ready))
        for _ in calls:
            await ready.acquire()
        say({"answered": count})


async def returning(port: int, count: int) -> None:
    """So many clients on connections of their own, which ask for `web`, and come back at once when they are left."""
    # Not the minimum: that is the time for which an attempt may last, and 2,000 at once take longer.
    at_once = [(f"grpc.{name}_reconnect_backoff_ms", 200) for name in ("initial", "max")]
    options = [("grpc.use_local_subchannel_pool", 1), *at_once]
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) for _ in range(count)]
    answers = asyncio.Semaphore(0)

    async def follow(own: grpc.aio.Channel) -> None:
        while True:
            call: Call = own.stream_stream(DELTA)(wait_for_ready=True)
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(ask("web"))
                if isinstance(await call.read(), bytes):
                    answers.release()
                    await call.code()

    async with asyncio.TaskGroup() as tasks:
        for own in channels:
            tasks.create_task(follow(own))
        while True:
            for _ in channels:
                await answers.acquire()
            say({"answered": count})


async def requests(port: int, clients: int, count: int) -> None:
    """Clients that ask so many times as fast as they can, in requests of 8 KB."""
    padding = bytes(8000)
    message = ask("control") + b"\x7a\xc0\x3e" + padding  # field 15, which nobody knows

    async def flood(call: Call) -> int:
        for _ in range(count):
            await call.write(message)
        return count

    calls: list[Call] = [channel(port).stream_stream(DELTA)() for _ in range(clients)]
    say({"sent": sum(await asyncio.gather(*map(flood, calls)))})
    await asyncio.Event().wait()


async def large(port: int, size: int, *, compress: bool) -> None:
    """One request of so many bytes, all of them zero; `bomb` compresses them a thousandfold."""
    async with channel(port) as one:
        compression = grpc.Compression.Gzip if compress else grpc.Compression.NoCompression
        call: Call = one.stream_stream(DELTA)(compression=compression)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await call.write(bytes(size))
        say({await status(call): 1})
        await asyncio.Event().wait()


async def metadata(port: int, size: int, count: int) -> None:
    """Streams that begin with a header of so many bytes."""
    async with channel(port) as one:
        calls: list[Call] = [one.stream_stream(DELTA)(metadata=(("x-large", "x" * size),)) for _ in range(count)]
        say(Counter(await asyncio.gather(*map(status, calls))))
        await asyncio.Event().wait()


async def main(kind: str, port: int, *numbers: int) -> None:
    """Misbehave."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    known = (unread, comers, cancel, streams, connections, followers, returning, requests, metadata)
    kinds = {each.__name__: each for each in known}
    if kind in ("large", "bomb"):
        await large(port, *numbers, compress=kind == "bomb")
    else:
        await kinds[kind](port, *numbers)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
