"""The small HTTP servers that stand for a team's services: each answers its name, and says whether it is well."""

from aiohttp import web

from bridge.demo.option import HOST


class Backend:
    """One HTTP server on loopback.

    `GET /health` answers 200 or 503 for a health check; `PUT /health/fail` and `PUT /health/pass` choose which.
    Every other path answers the backend's name.
    """

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.healthy = True
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{HOST}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        application = web.Application()
        application.router.add_get("/health", self._report)
        application.router.add_put("/health/{verdict:pass|fail}", self._judge)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port).start()

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, _request: web.Request) -> web.Response:
        return web.Response(text=f"{self.name}\n")

    async def _report(self, _request: web.Request) -> web.Response:
        return web.Response(status=200 if self.healthy else 503)

    async def _judge(self, request: web.Request) -> web.Response:
        self.healthy = request.match_info["verdict"] == "pass"
        return web.Response(text=f"{self.name} {'passes' if self.healthy else 'fails'} its checks now\n")
