"""Small HTTP backends on loopback that answer their name and count what they are asked."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from bridge.model import Endpoint, EndpointKey, Health


@dataclass
class Backends:
    """Running backends by name."""

    requests: Counter[str] = field(default_factory=Counter)
    """Requests answered, by the name of the backend."""
    addresses: dict[str, EndpointKey] = field(default_factory=dict)
    _runners: dict[str, web.AppRunner] = field(default_factory=dict)

    async def start(self, name: str, host: str = "127.0.0.1", port: int = 0) -> EndpointKey:
        """Start a backend, on a port from the OS where none is given."""

        async def answer(_request: web.Request) -> web.Response:
            self.requests[name] += 1
            return web.Response(text=name)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        self._runners[name] = runner
        self.addresses[name] = EndpointKey(host, runner.addresses[0][1])
        return self.addresses[name]

    def endpoint(self, name: str, health: Health = Health.HEALTHY, *, weight: int = 1) -> Endpoint:
        """The endpoint of a backend, as a source could report it."""
        return Endpoint(self.addresses[name].address, self.addresses[name].port, health, weight)

    async def stop(self, name: str) -> None:
        """Stop a backend; what it is answering may finish."""
        del self.addresses[name]
        await self._runners.pop(name).cleanup()

    async def stop_all(self) -> None:
        """Stop every backend."""
        for name in list(self._runners):
            await self.stop(name)


@asynccontextmanager
async def backends(*names: str) -> AsyncIterator[Backends]:
    """Backends with these names, gone at the end of the block."""
    running = Backends()
    try:
        for name in names:
            await running.start(name)
        yield running
    finally:
        await running.stop_all()
