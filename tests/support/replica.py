"""A bridge's xDS server in this process, with what it serves in the hands of the test."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from xds import TYPES, Observers, ResourceType, ServerOptions, SnapshotCache, StreamObserver, TypeStatus, XdsServer


class Replica:
    """Keeps its port when it is stopped and started again, and then knows nothing of its clients."""

    def __init__(self, observer: StreamObserver | None = None) -> None:
        self.cache = SnapshotCache()
        self.recorder = StreamRecorder()
        self._observer = Observers(self.recorder, observer) if observer else self.recorder
        self.port = 0
        self._server: XdsServer | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self, types: Sequence[ResourceType] = TYPES) -> None:
        """Listen; with fewer `types`, as one that never answers for the others."""
        self._server = XdsServer(self.cache, ServerOptions(port=self.port), self._observer, types)
        self.port = await self._server.start()
        self._running = asyncio.create_task(self._server.run())

    async def stop(self) -> None:
        """End all streams and listen no more."""
        if self._server and self._running:
            await self._server.stop(grace=1)
            assert not self._running.done()
            self._running.cancel()
            await asyncio.wait({self._running})
        self._server = self._running = None
        assert self.recorder.failures == []

    async def restart(self, types: Sequence[ResourceType] = TYPES) -> None:
        """Stop, and start as a new server on the same port, at once."""
        await self.stop()
        await self.start(types)

    def asked(self, kind: ResourceType) -> bool:
        """Whether a client that is connected now asked for a type."""
        return bool(self._statuses(kind))

    def taken(self, kind: ResourceType) -> int:
        """How many resources of a type the connected clients named, on streams on which they accepted some."""
        return sum(status.names or 0 for status in self._statuses(kind) if status.version_acked)

    def _statuses(self, kind: ResourceType) -> list[TypeStatus]:
        streams = self._server.streams() if self._server else ()
        return [status for stream in streams for status in stream.types if status.type_url == kind.url]

    async def sends(self, responses: int) -> None:
        """Wait until so many responses were written since the first start."""
        await eventually(lambda: len(self.recorder.of("sent")) >= responses, what=f"{responses} responses are sent")


@asynccontextmanager
async def replica(observer: StreamObserver | None = None) -> AsyncIterator[Replica]:
    """A started replica, stopped after the block; `observer` is told what its recorder is told."""
    started = Replica(observer)
    await started.start()
    try:
        yield started
    finally:
        await started.stop()
