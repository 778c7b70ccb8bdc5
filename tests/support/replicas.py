"""Two bridges as replicas: over the same sources, each the peer of the other."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from support.bridge import BridgeProcess, Json
from support.command import Outcome, command
from support.waiting import eventually

PATIENCE = "500ms"
"""How long they may differ; at least two looks are needed all the same."""


class Replicas:
    """Neither runs yet. What is said of one by the other is read through the real command."""

    def __init__(self, directory: Path, sources: list[Json], **config: object) -> None:
        self.one, self.two = (BridgeProcess(directory / name, sources, **config) for name in ("one", "two"))
        for bridge, other in ((self.one, self.two), (self.two, self.one)):
            admin: Json = {
                "listen": f"127.0.0.1:{bridge.admin_port}",
                "socket": str(self.socket(bridge)),
                "peers": [other.url("")],
                "peer_patience": PATIENCE,
            }
            bridge.settings["admin"] = admin
            bridge.write(bridge.settings)

    @property
    def both(self) -> tuple[BridgeProcess, BridgeProcess]:
        return self.one, self.two

    async def __aenter__(self) -> Self:
        """Nothing is started by that."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        for bridge in self.both:
            if bridge.running:
                await bridge.kill()

    async def start(self) -> None:
        """Start both at once, and wait until both answer Envoys."""
        await asyncio.gather(self.one.start(), self.two.start())

    def socket(self, bridge: BridgeProcess) -> Path:
        return bridge.config.parent / "admin.sock"

    async def does(self, bridge: BridgeProcess, *arguments: object) -> Outcome:
        """A command of an operator of one of them."""
        return await command(*arguments, "--socket", self.socket(bridge))

    async def peer(self, bridge: BridgeProcess) -> Json:
        """What one says of the other."""
        peers = (await bridge.get("/api/v1/status"))["peers"]
        assert isinstance(peers, list)
        (peer,) = peers
        assert isinstance(peer, dict)
        return peer

    async def until(self, state: str, *bridges: BridgeProcess) -> None:
        """Wait until these, or both, say this of the other."""
        for bridge in bridges or self.both:
            await eventually(lambda bridge=bridge: self._says(bridge, state), timeout=30, what=f"a peer is {state}")  # type: ignore[misc]

    async def _says(self, bridge: BridgeProcess, state: str) -> bool:
        return (await self.peer(bridge))["state"] == state

    async def versions(self) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """Of all views of both."""
        one, two = [(await bridge.get("/api/v1/versions"))["views"] for bridge in self.both]
        assert isinstance(one, dict)
        assert isinstance(two, dict)
        return one, two
