"""The paths of the pages, and where each is made: off the loop, from values that do not change meanwhile."""

import asyncio
import importlib.metadata
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.admin.digest import Digests
from bridge.admin.look import Connected
from bridge.admin.observation import Observation, observe
from bridge.admin.page.content import Content, Details, NoSuchServiceError
from bridge.admin.view import View
from bridge.model import ServiceName

STATIC = Path(__file__).parent / "static"

_TYPES = MappingProxyType({".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"})

HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }
)
"""Nothing from elsewhere, nothing inline, in nobody's frame: a text that slips through the escaping cannot act."""

Query = list[tuple[str, str]]


class Pages:
    """Answers people with a browser.

    Args:
        view: all that there is to see.
        connected: finds the open streams, for the pages that are about them.
        executor: where pages are made.
        started: Unix time.
        digests: what others have worked out too.
    """

    def __init__(self, view: View, connected: Connected, executor: Executor, started: float, digests: Digests) -> None:
        self._view = view
        self._connected = connected
        self._executor = executor
        self._started = started
        self._content = Content(_version, digests)
        self._files: Mapping[str, bytes] = {}

    def routes(self) -> list[web.RouteDef]:
        """Every page."""
        return [
            web.get("/", self._page(self._content.overview, streams=True)),
            web.get("/services", self._page(self._content.services)),
            web.get("/services/{name:.+}", self._service),
            web.get("/envoys", self._page(self._content.envoys, streams=True)),
            web.get("/events", self._page(self._content.events)),
            web.get("/config", self._page(self._content.configuration)),
            web.get("/static/{file}", self._file),
        ]

    def prepare(self) -> None:
        """Do what the first page needs that somebody opens, while nobody waits for anything."""
        self._executor.submit(self._content.prepare)

    def _page(self, content: Callable[[Observation, Query], str], *, streams: bool = False) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            query = list(request.query.items())
            connected = await self._connected() if streams else ()
            observed = observe(self._view, self._started, connected)
            return await self._worked_out(observed, lambda: content(observed, query))

        return answer

    async def _service(self, request: web.Request) -> web.Response:
        observed, query = observe(self._view, self._started), list(request.query.items())
        name = ServiceName(request.match_info["name"])
        details = Details(name, self._view.knowledge.set_aside(name), self._view.history.of(name))
        return await self._worked_out(observed, lambda: self._content.service(observed, details, query))

    async def _worked_out(self, observed: Observation, work: Callable[[], str]) -> web.Response:
        def page() -> tuple[HTTPStatus, str]:
            try:
                return HTTPStatus.OK, work()
            except NoSuchServiceError as error:
                return HTTPStatus.NOT_FOUND, self._content.problem(observed, "Not found", str(error))
            except ValueError as error:
                return HTTPStatus.BAD_REQUEST, self._content.problem(observed, "Not understood", str(error))

        status, text = await asyncio.get_running_loop().run_in_executor(self._executor, page)
        return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)

    async def _file(self, request: web.Request) -> web.Response:
        if not self._files:
            self._files = await asyncio.get_running_loop().run_in_executor(self._executor, _files)
        name = request.match_info["file"]
        if name not in self._files:
            raise web.HTTPNotFound
        return web.Response(
            body=self._files[name], content_type=_TYPES[Path(name).suffix], charset="utf-8", headers=HEADERS
        )


def _files() -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in _TYPES}


def _version() -> str:
    return importlib.metadata.version("xds-bridge")
