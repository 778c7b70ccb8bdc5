"""The HTTP server itself: paths, who may see what, and where the work of an answer is done."""

import asyncio
import dataclasses
import importlib.metadata
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bridge.admin import (
    access,
    document,
    endpoint,
    envoy,
    event,
    explanation,
    resource,
    service,
    source,
    status,
    summary,
    unix_socket,
)
from bridge.admin.change import Changes, Kept, Reload, Verbs
from bridge.admin.digest import Digests
from bridge.admin.live import Live
from bridge.admin.look import Look, by_portions
from bridge.admin.observation import observe
from bridge.admin.page import Pages
from bridge.admin.query import NotThereError, WrongQueryError, given
from bridge.admin.view import View
from bridge.config import AdminConfig
from bridge.errors import ConfigError
from bridge.inquiry import BusyError
from bridge.metrics import CONTENT_TYPE
from bridge.model import ServiceName
from bridge.peers import VERSIONS, alias, type_versions
from bridge.problem import nearest

FRESH = 1.0
"""Seconds for which rendered metrics are given out again: several scrapers cost as much as one."""


class AdminServer:
    """Answers operators, probes and Prometheus.

    Args:
        config: where, and to whom.
        view: all that there is to see.
        verbs: what can be changed, by those who reach the unix socket.
        reload: has the configuration read again, for the same people.
        kept: waited for before these are told that something is done.
    """

    def __init__(self, config: AdminConfig, view: View, verbs: Verbs, reload: Reload, kept: Kept) -> None:
        self._config = config
        self._view = view
        self._started = time.time()
        self._connected = Look(lambda: by_portions(view.streams.streams()))
        self._rendered = Look(self._render, FRESH)
        self._marks: dict[str, tuple[Mapping[str, str], asyncio.Future[str]]] = {}
        """By the alias of a view, what was worked out for its peers, and of which versions: once, because other
        machines may ask for it, and without the snapshot, which would be kept until somebody asks again."""
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="admin")
        # Neither a scrape nor an operator waits for those who look at long lists.
        self._scrapes = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")
        self._hands = ThreadPoolExecutor(max_workers=1, thread_name_prefix="operator")
        self._live = Live(view, self._connected, self._executor)
        digests = Digests()
        self._summaries = summary.Summaries(digests)
        self._pages = Pages(view, self._connected, self._executor, self._started, digests)
        changes = Changes(verbs, reload, kept, self._hands, str(config.socket))
        self._network = _runner([self._guard], [*self._reads(), *changes.closed()])
        self._local = _runner([], [*self._reads(), *changes.routes()])
        self._bound: Path | None = None

    async def start(self) -> int:
        """Listen, and return the port, which the operating system chose if it was 0.

        Raises:
            ConfigError: the group of the unix socket does not exist.
            OSError: the address or the path cannot be listened on; the message says which and why.
        """
        try:
            port = await self._listen()
            await self._listen_locally()
        except (ConfigError, OSError):
            await self.stop()
            raise
        return port

    def prepare(self) -> None:
        """Have the page read its templates in a thread: 50 ms that are nobody's before Envoys are answered."""
        self._pages.prepare()

    async def stop(self) -> None:
        """Close all connections; answers in the making get a second."""
        self._live.close()
        await asyncio.gather(self._network.cleanup(), self._local.cleanup())
        if self._bound:
            await asyncio.get_running_loop().run_in_executor(self._hands, unix_socket.remove, self._bound)
            self._bound = None
        for executor in (self._executor, self._scrapes, self._hands):
            executor.shutdown(wait=False, cancel_futures=True)

    async def _listen(self) -> int:
        listen = self._config.listen
        await self._network.setup()
        try:
            await web.TCPSite(self._network, listen.host, listen.port).start()
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"cannot listen on {listen} for admin HTTP: {reason}") from error
        port: int = self._network.addresses[0][1]
        return port

    async def _listen_locally(self) -> None:
        path, group = self._config.socket, self._config.socket_group
        if path is None:
            return
        await self._local.setup()
        bound = await asyncio.get_running_loop().run_in_executor(self._hands, unix_socket.bind, path, group)
        self._bound = path
        await web.SockSite(self._local, bound).start()

    def _reads(self) -> list[web.RouteDef]:
        whole = {
            "/api/v1/status": self._status,
            "/api/v1/sources": self._sources,
            "/api/v1/services": self._services,
            "/api/v1/envoys": self._envoys,
            "/api/v1/envoys/{node:.+}": self._envoy,
            "/api/v1/guard": self._held,
            VERSIONS: self._versions,
            f"{VERSIONS}/{{view}}": self._fingerprints,
            "/api/v1/views": self._views,
        }
        return [
            web.get("/metrics", self._metrics),
            web.get("/livez", self._livez),
            web.get("/readyz", self._readyz),
            web.get("/api/v1/services/{name:.+}", self._service),
            web.get("/api/v1/endpoints", self._endpoints),
            web.get("/api/v1/events", self._events),
            web.get("/api/v1/resources", self._resources),
            web.get("/api/v1/explain", self._explain),
            *(web.get(path, _whole(handler)) for path, handler in whole.items()),
            *self._pages.routes(),
        ]

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep from other machines, and from web pages in a browser on this one, what they should not see."""
        peername: object = request.transport.get_extra_info("peername") if request.transport else None
        peer = str(peername[0]) if isinstance(peername, tuple) else ""
        if reason := access.refusal(self._config, request.path, request.host, peer):
            raise web.HTTPForbidden(text=reason)
        if request.path not in access.PROBES and access.foreign(request.headers):
            raise web.HTTPForbidden(text="a page of another site may not ask here")
        return await handler(request)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._rendered(), headers={"Content-Type": CONTENT_TYPE})

    async def _render(self) -> bytes:
        sample = self._view.sample(await self._connected())
        return await asyncio.get_running_loop().run_in_executor(self._scrapes, self._view.metrics.render, sample)

    async def _livez(self, _request: web.Request) -> web.Response:
        return _answer({"alive": True})

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready = document.ready(self._view)
        return _answer(ready, HTTPStatus.OK if ready.ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _status(self, _request: web.Request) -> web.Response:
        observed = observe(self._view, self._started, await self._connected())
        return await self._worked_out(lambda: _json(status.status(observed, importlib.metadata.version("xds-bridge"))))

    async def _sources(self, _request: web.Request) -> web.Response:
        return _answer({"sources": [source.document(self._view, listed) for listed in self._view.sources()]})

    async def _held(self, _request: web.Request) -> web.Response:
        return _answer(document.held(self._view))

    async def _services(self, _request: web.Request) -> web.Response:
        known = summary.observe(self._view)
        return await self._worked_out(lambda: _json(self._summaries.document(known, time.monotonic())))

    async def _service(self, request: web.Request) -> web.Response:
        name = ServiceName(request.match_info["name"])
        asked, found = service.parse(list(request.query.items())), self._view.knowledge.services().get(name)
        if found is None:
            hint = nearest(name, self._view.knowledge.services())
            raise NotThereError(f"no source reports a service {name[:255]!r}{hint}")
        set_aside, ages = self._view.knowledge.set_aside(name), self._view.history.of(name)
        known = service.Known(found, set_aside, ages, time.monotonic())
        return await self._worked_out(lambda: _json(service.found(known, asked)))

    async def _envoys(self, _request: web.Request) -> web.Response:
        streams = await self._connected()
        absent = self._view.absent()
        return await self._worked_out(lambda: _json(document.envoys(streams, absent)))

    async def _envoy(self, request: web.Request) -> web.Response:
        name = request.match_info["node"]
        if not (found := self._view.streams.contents(name)):
            raise NotThereError(envoy.unknown(name, await self._connected(), self._view.absent()))
        return await self._worked_out(lambda: _json(envoy.node(name, found)))

    async def _endpoints(self, request: web.Request) -> web.Response:
        known, parameters = endpoint.observe(self._view), list(request.query.items())
        return await self._worked_out(lambda: _json(endpoint.found(known, endpoint.parse(parameters, known))))

    async def _versions(self, _request: web.Request) -> web.Response:
        return _answer(document.compared(self._view))

    async def _fingerprints(self, request: web.Request) -> web.Response:
        view = request.match_info["view"]
        snapshots = {alias(name): snapshot for name, snapshot in self._view.serving.snapshots().items()}
        snapshot = snapshots.get(view)
        if snapshot is None:
            raise NotThereError("no such view is in use")
        shown = type_versions(snapshot)
        if view not in self._marks or self._marks[view][0] != shown:
            work = asyncio.get_running_loop().run_in_executor(self._executor, lambda: _json(document.marks(snapshot)))
            self._marks = {name: each for name, each in self._marks.items() if name in snapshots}
            self._marks[view] = shown, work
        return web.json_response(text=await asyncio.shield(self._marks[view][1]))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        remembered, parameters = self._view.trail.remembered(), list(request.query.items())
        sources = {each.name for each in self._view.sources()}
        services = set(self._view.knowledge.services())

        def asked() -> event.Query:
            return event.parse(
                parameters,
                sources | {each.source for each in remembered.events if each.source},
                services | {each.service for each in remembered.events if each.service},
            )

        if "text/event-stream" in request.headers.get("Accept", ""):
            query = await asyncio.get_running_loop().run_in_executor(self._executor, asked)
            return await self._live.answer(request, query)
        return await self._worked_out(lambda: _json(event.document(remembered, asked())))

    async def _views(self, _request: web.Request) -> web.Response:
        return _answer(resource.views(self._view))

    async def _resources(self, request: web.Request) -> web.Response:
        query = resource.parse(self._view, list(request.query.items()))
        return await self._worked_out(lambda: _json(resource.page(query)))

    async def _explain(self, request: web.Request) -> web.Response:
        question = explanation.parse(list(request.query.items()))
        answers = await self._view.inquiry.ask(question)
        services = dict(self._view.knowledge.services())
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._executor, explanation.concern, question, answers, services)
        facts = await explanation.observe(self._view, question, answers, found, time.monotonic())
        return await self._worked_out(lambda: _json(explanation.explained(facts)))

    async def _worked_out(self, work: Callable[[], str]) -> web.Response:
        """An answer that takes time to make: in a thread, from values that do not change meanwhile."""
        text = await asyncio.get_running_loop().run_in_executor(self._executor, work)
        return web.json_response(text=text)


def _runner(middlewares: Sequence[Middleware], routes: Sequence[web.RouteDef]) -> web.AppRunner:
    application = web.Application(middlewares=[_errors_as_json, *middlewares])
    application.add_routes(routes)
    application.on_response_prepare.append(_not_stored)
    return web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)


async def _not_stored(_request: web.Request, response: web.StreamResponse) -> None:
    """The headers of every answer, one that goes on for as long as somebody listens and a refusal too."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        standard = f"{error.status}: {error.reason}"  # what aiohttp says when we said nothing
        message = error.text if error.text and error.text != standard else f"{error.reason}: {request.path[:255]}"
        return web.json_response({"error": message}, status=error.status, headers=headers)
    except NotThereError as error:
        return web.json_response({"error": str(error)}, status=HTTPStatus.NOT_FOUND)
    except WrongQueryError as error:
        return web.json_response({"error": str(error)}, status=HTTPStatus.BAD_REQUEST)
    except BusyError as error:
        return web.json_response({"error": str(error)}, status=HTTPStatus.SERVICE_UNAVAILABLE)


def _whole(handler: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
    """An answer that nothing narrows down: a parameter that would do so elsewhere is refused, not ignored."""

    async def answer(request: web.Request) -> web.StreamResponse:
        given(list(request.query.items()), ())
        return await handler(request)

    return answer


def _answer(content: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.json_response(text=_json(content), status=status)


def _json(content: object) -> str:
    # Without an indent, for which Python has no encoder in C: two thousand services would take 100 ms more.
    return json.dumps(content, default=_fields) + "\n"


def _fields(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    raise TypeError(f"no JSON for {type(value).__name__}")
