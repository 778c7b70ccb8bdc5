"""An xDS server in a process of its own, so that its memory can be measured, and a stream that must not suffer.

The other end is `support/serving.py`.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

from support.waiting import eventually
from support.xds_client import TRANSPORTS, XdsClient
from xds import ENDPOINT

MIB = 1 << 20

Counts = dict[str, int]


class XdsProcess:
    """The server, for `async with`.

    Args:
        limits: as `Limits` has them.
    """

    def __init__(self, **limits: float) -> None:
        self.port = 0
        self._limits = limits
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "support.serving", json.dumps(self._limits)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.port = (await self._answer())["port"]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._running.kill()
        await self._running.wait()

    async def serve(self, number: int, bulk: int = 0) -> Counts:
        """Serve content of this number, with a bulk of so many bytes."""
        return await self._tell({"number": number, "bulk": bulk})

    async def counts(self) -> Counts:
        """How it is: open streams, events by name, and refusals by reason."""
        return await self._tell({})

    def memory(self) -> int:
        """Bytes of its memory that are in use now."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most bytes that were in use since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Begin to observe the peak."""
        Path(f"/proc/{self._running.pid}/clear_refs").write_text("5")  # man 5 proc

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process, "not started"
        return self._process

    async def _tell(self, order: Counts) -> Counts:
        assert self._running.stdin
        self._running.stdin.write(json.dumps(order).encode() + b"\n")
        return await self._answer()

    async def _answer(self) -> Counts:
        assert self._running.stdout
        async with asyncio.timeout(60):
            line = await self._running.stdout.readline()
        assert line, f"the server has ended: {await self._running.wait()}"
        answer: Counts = json.loads(line)
        return answer

    def _status(self, key: str) -> int:
        lines = Path(f"/proc/{self._running.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{key}:"))


class Bystander:
    """A client that does nothing wrong, and gets every change, whatever others do."""

    def __init__(self, server: XdsProcess, client: XdsClient) -> None:
        self._server, self._client = server, client
        self._number = 0

    async def sees_changes(self, count: int = 3, bulk: int = 0) -> None:
        """Change the content so many times; each change must arrive. How fast is not asked."""
        for _ in range(count):
            self._number += 1
            await self._server.serve(self._number, bulk)
            update = await self._client.accept(ENDPOINT, timeout=60)
            assert update.names == {"control"}
            assert f"<{self._number}>".encode() in update.resources["control"]


@contextlib.asynccontextmanager
async def bystander(server: XdsProcess) -> AsyncIterator[Bystander]:
    """A client that has its first answer."""
    client = XdsClient(server.port, TRANSPORTS[-2], node="bystander")
    try:
        subject = Bystander(server, client)
        await client.subscribe(ENDPOINT, ["control"])
        await subject.sees_changes(1)
        yield subject
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def flooder(server: XdsProcess | int, kind: str, *arguments: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that misbehaves (`support/flooder.py`) towards a server, or a port, until the block ends."""
    script, port = Path(__file__).with_name("flooder.py"), server if isinstance(server, int) else server.port
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), kind, str(port), *map(str, arguments)), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def said(process: asyncio.subprocess.Process) -> dict[str, int]:
    """The next line of a flooder: what it has done or seen so far."""
    assert process.stdout
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
    assert line, "the flooder has ended"
    answer: dict[str, int] = json.loads(line)
    return answer


async def settles(server: XdsProcess, bound: int) -> None:
    """Wait until the memory in use is below a bound: sooner or later it has to be."""

    async def below() -> bool:
        await server.counts()
        return server.memory() < bound

    await eventually(below, timeout=60, what=f"memory below {bound >> 20} MiB, not {server.memory() >> 20}")
