"""The HTTP server that Envoys with `api_type: REST` poll: a path for each type, and a status for each refusal."""

import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType

from aiohttp import web

from bridge.config import Address
from bridge.rest.body import Bodies
from bridge.rest.request import discovery_request
from xds import (
    TYPES,
    Client,
    Node,
    Reason,
    Refused,
    ResourceType,
    StreamObserver,
    Unchanged,
    Views,
    fetch,
)

LARGEST_REQUEST = 4 << 20
"""Bytes; an Envoy's description of itself is some 150 KB in JSON and comes with every request."""

STATUS: Mapping[Reason, HTTPStatus] = MappingProxyType(
    {
        Reason.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
        Reason.NO_VIEW: HTTPStatus.FORBIDDEN,
        Reason.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
        Reason.NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
        Reason.STOPPING: HTTPStatus.SERVICE_UNAVAILABLE,
        Reason.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    }
)


class RestServer:
    """Answers polls out of the same views as the streams.

    Args:
        listen: where.
        views: what to serve to whom.
        observer: is told what happens.
        tls: encrypts, and tells by their certificates who asks; plain text without.
    """

    def __init__(
        self, listen: Address, views: Views, observer: StreamObserver, tls: ssl.SSLContext | None = None
    ) -> None:
        self._listen = listen
        self._views = views
        self._observer = observer
        self._tls = tls
        self._bodies = Bodies()
        application = web.Application(client_max_size=LARGEST_REQUEST)
        application.add_routes([web.post(kind.fetch_path, self._handler(kind)) for kind in TYPES])
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)

    async def start(self) -> int:
        """Listen, and return the port, which the operating system chose if it was 0.

        Raises:
            OSError: the address cannot be listened on; the message says which and why.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._listen.host, self._listen.port, ssl_context=self._tls).start()
        except OSError as error:
            await self.stop()
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"cannot listen on {self._listen} for xDS over REST: {reason}") from error
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close all connections; answers in the making get a second."""
        await self._runner.cleanup()
        self._bodies.close()

    def _handler(self, kind: ResourceType) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            peer = _peer(request)
            try:
                return await self._answer(kind, request, peer)
            except Refused as refusal:
                self._observer.refused(peer, refusal)
                return web.Response(status=STATUS[refusal.reason], text=f"{refusal}\n")

        return handle

    async def _answer(self, kind: ResourceType, request: web.Request, peer: str) -> web.StreamResponse:
        if "Origin" in request.headers:
            # A page of any web site can have a browser on this network ask, under a host name that it controls.
            raise Refused(Reason.NOT_ALLOWED, "this is for Envoys, and the request comes from a web page")
        asked = discovery_request(await request.read())
        cache = self._views.view(Client(asked.node or Node(), peer, _names(request)))
        answer = fetch(cache, kind, asked)
        self._observer.fetched(kind.url, unchanged=isinstance(answer, Unchanged))
        if isinstance(answer, Unchanged):
            return web.Response(status=HTTPStatus.NOT_MODIFIED)
        return web.Response(body=await self._bodies.render(answer), content_type="application/json")


def _peer(request: web.Request) -> str:
    """The network address of the client as gRPC writes it, so that logs speak of both alike."""
    peername: object = request.transport.get_extra_info("peername") if request.transport else None
    if not isinstance(peername, tuple):
        return "unknown:"
    host, port = str(peername[0]), int(peername[1])
    return (
        f"ipv6:[{host}]:{port}" if ipaddress.ip_address(host.partition("%")[0]).version == 6 else f"ipv4:{host}:{port}"
    )


def _names(request: web.Request) -> tuple[str, ...]:
    """The subject alternative names of the client's certificate, which TLS has verified; none without TLS."""
    certificate: object = request.transport.get_extra_info("peercert") if request.transport else None
    listed: object = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    return tuple(str(name) for _kind, name in listed) if isinstance(listed, tuple) else ()
