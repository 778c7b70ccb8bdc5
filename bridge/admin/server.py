"""The HTTP server itself: paths, who may see what, and where the work of an answer is done."""

import asyncio
import dataclasses
import functools
import importlib.metadata
import ipaddress
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.admin import document
from bridge.admin.view import View
from bridge.config import AdminConfig, Expose
from bridge.metrics import CONTENT_TYPE
from bridge.model import ServiceName

PROBES = frozenset({"/metrics", "/livez", "/readyz"})
"""What answers beyond loopback as well."""

FRESH = 1.0
"""Seconds for which rendered metrics are given out again: several scrapers cost as much as one."""


class AdminServer:
    """Answers operators, probes and Prometheus."""

    def __init__(self, config: AdminConfig, view: View) -> None:
        self._address = config.listen
        self._private = not config.listen.loopback and config.expose is not Expose.ALL
        self._view = view
        self._started = time.time()
        self._rendered: asyncio.Future[bytes] | None = None
        self._rendered_at = 0.0
        # Two threads, so that a scrape and a long list do not wait for each other.
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="admin")
        self._runner = web.AppRunner(self._application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)

    async def start(self) -> int:
        """Listen, and return the port, which the operating system chose if it was 0.

        Raises:
            OSError: the address cannot be listened on; the message says which and why.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._address.host, self._address.port).start()
        except OSError as error:
            await self.stop()
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"cannot listen on {self._address} for admin HTTP: {reason}") from error
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close all connections; answers in the making get a second."""
        await self._runner.cleanup()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[_errors_as_json, self._guard])
        application.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/api/v1/status", self._status),
                web.get("/api/v1/sources", self._sources),
                web.get("/api/v1/services", self._services),
                web.get("/api/v1/services/{name:.+}", self._service),
                web.get("/api/v1/envoys", self._envoys),
            ]
        )
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep from other machines, and from web pages in a browser on this one, what they should not see."""
        if self._private and request.path not in PROBES:
            message = f"only {', '.join(sorted(PROBES))} answer beyond loopback; set admin.expose: all to change that"
            raise web.HTTPForbidden(text=message)
        if self._address.loopback and not _is_this_machine(request.host):
            # A page of any web site may name this server by a host of its own whose address it changes ("DNS
            # rebinding"); the browser then lets the page read the answer.
            raise web.HTTPForbidden(text=f"host {request.host[:100]!r} is not this machine; use an IP or localhost")
        response = await handler(request)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    async def _metrics(self, _request: web.Request) -> web.Response:
        loop = asyncio.get_running_loop()
        if self._rendered is None or loop.time() - self._rendered_at > FRESH:
            self._rendered_at = loop.time()
            self._rendered = loop.run_in_executor(self._executor, self._view.metrics.render, self._view.sample())
        # Shielded, because others may wait for the same rendering when this client goes away.
        body = await asyncio.shield(self._rendered)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _livez(self, _request: web.Request) -> web.Response:
        return _answer({"alive": True})

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready = document.ready(self._view)
        return _answer(ready, HTTPStatus.OK if ready.ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _status(self, _request: web.Request) -> web.Response:
        version = await self._in_thread(functools.partial(importlib.metadata.version, "xds-bridge"))
        return _answer(document.status(self._view, version, self._started))

    async def _sources(self, _request: web.Request) -> web.Response:
        return _answer({"sources": [document.source(self._view, listed) for listed in self._view.sources]})

    async def _services(self, _request: web.Request) -> web.Response:
        services = tuple(self._view.knowledge.services().values())
        text = await self._in_thread(lambda: _json({"services": document.summaries(services)}))
        return web.json_response(text=text)

    async def _service(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        found = document.service(self._view, ServiceName(name))
        if found is None:
            raise web.HTTPNotFound(text=f"no source reports a service {name[:255]!r}")
        return _answer(found)

    async def _envoys(self, _request: web.Request) -> web.Response:
        streams = tuple(self._view.streams.streams())
        text = await self._in_thread(lambda: _json(document.envoys(streams)))
        return web.json_response(text=text)

    async def _in_thread(self, work: Callable[[], str]) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        standard = f"{error.status}: {error.reason}"  # what aiohttp says when we said nothing
        message = error.text if error.text and error.text != standard else f"{error.reason}: {request.path[:255]}"
        return web.json_response({"error": message}, status=error.status, headers=headers)


def _is_this_machine(host: str) -> bool:
    """Whether a Host header names this machine by address or as localhost: names of the DNS are up to anybody."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _answer(content: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.json_response(text=_json(content), status=status)


def _json(content: object) -> str:
    return json.dumps(content, default=_fields, indent=2) + "\n"


def _fields(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"no JSON for {type(value).__name__}")
