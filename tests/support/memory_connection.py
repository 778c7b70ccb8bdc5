"""The in-memory `Connection`: both directions are in the test's hands."""

import asyncio


class MemoryConnection:
    """Reads what is put into `incoming`, and keeps what is written."""

    def __init__(self, sender: str = "memory") -> None:
        self.sender = sender
        self.incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.written: list[bytes] = []
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.broken: Exception | None = None
        self.left: asyncio.Future[None] | None = None

    @property
    def peer(self) -> str:
        return "memory"

    @property
    def client(self) -> str:
        return self.sender

    @property
    def names(self) -> tuple[str, ...]:
        return ("spiffe://tests/envoy",)

    async def read(self) -> bytes | None:
        return await self.incoming.get()

    async def write(self, message: bytes) -> None:
        await self.may_write.wait()
        if self.broken:
            raise self.broken
        self.written.append(message)
