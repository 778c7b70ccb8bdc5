"""A process that serves xDS and nothing else: `python -m support.serving LIMITS`, with limits as JSON.

It serves two assignments: `control`, which is small, and `bulk`, as large as the test wants. It is told what to serve
by lines of JSON, and answers each with a line that says how it is. It imports little, because tests start many of it.
"""

import asyncio
import ctypes
import functools
import json
import os
import resource
import sys
from collections import Counter

from xds import ENDPOINT, Limits, ObservedStream, Refused, Resource, ServerOptions, Snapshot, SnapshotCache, XdsServer
from xds.observer import StreamObserver

Counts = dict[str, int]


class _Tally(StreamObserver):
    def __init__(self) -> None:
        self.counts = Counter[str]()

    def stalled(self, stream: ObservedStream) -> None:
        self.counts["stalled"] += 1

    def slowed(self, stream: ObservedStream) -> None:
        self.counts["slowed"] += 1

    def opened(self, stream: ObservedStream) -> None:
        self.counts["opened"] += 1

    def refused(self, peer: str, refusal: Refused) -> None:
        self.counts[refusal.reason] += 1

    def failed(self, stream: ObservedStream, error: BaseException) -> None:
        self.counts["failed"] += 1


@functools.lru_cache(maxsize=1)
def _bulk(size: int) -> Resource:
    """The same one until another size is asked for, as an assignment that does not change is."""
    return _assignment("bulk", f"{size}:".encode() + bytes(size))


def _assignment(name: str, content: bytes) -> Resource:
    length, size = b"", len(content)
    while size > 0x7F:
        length, size = length + bytes((size & 0x7F | 0x80,)), size >> 7
    field = bytes((15 << 3 | 2,)) + length + bytes((size,)) + content
    body = bytes((0x0A, len(name))) + name.encode() + field  # ClusterLoadAssignment.cluster_name = 1
    return Resource(name, body, version=content[:40].decode())


async def _serve(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    cache, tally, reader = SnapshotCache(), _Tally(), asyncio.StreamReader(limit=1 << 20)
    server = XdsServer(cache, ServerOptions(limits=limits), tally)
    print(json.dumps({"port": await server.start()}), flush=True)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.run())
        while line := await reader.readline():
            order: Counts = json.loads(line)
            if order:
                control = _assignment("control", f"<{order['number']}>".encode())
                cache.set(Snapshot().replace(ENDPOINT.url, [control, _bulk(order["bulk"])]))
            ctypes.CDLL(None).malloc_trim(0)  # what is free counts as free at once
            print(json.dumps({"open": len([*server.streams()]), **tally.counts}), flush=True)
    os._exit(1)


if __name__ == "__main__":
    asyncio.run(_serve(Limits(**json.loads(sys.argv[1]))))
