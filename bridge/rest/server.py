"""The HTTP server that Envoys with `api_type: REST` poll: a path for each type, and a status for each refusal."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

from aiohttp import web

from bridge.config import Address
from bridge.rest.body import Bodies
from bridge.rest.handshake import Handshakes
from bridge.rest.request import discovery_request
from xds import (
    TYPES,
    AllowedNames,
    Client,
    Node,
    Reason,
    Refused,
    ResourceType,
    StreamObserver,
    Unchanged,
    Views,
    certificate_names,
    fetch,
)

STATUS: Mapping[Reason, HTTPStatus] = MappingProxyType(
    {
        Reason.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
        Reason.EXCESSIVE_REQUEST: HTTPStatus.BAD_REQUEST,
        Reason.REQUEST_SIZE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        Reason.NO_VIEW: HTTPStatus.FORBIDDEN,
        Reason.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
        Reason.NAME_NOT_ALLOWED: HTTPStatus.FORBIDDEN,
        Reason.NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
        Reason.STOPPING: HTTPStatus.SERVICE_UNAVAILABLE,
        Reason.UNREAD: HTTPStatus.TOO_MANY_REQUESTS,
        Reason.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
        Reason.STREAMS: HTTPStatus.TOO_MANY_REQUESTS,
        Reason.STREAMS_PER_CLIENT: HTTPStatus.TOO_MANY_REQUESTS,
        Reason.ACCEPT_RATE: HTTPStatus.TOO_MANY_REQUESTS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestOptions:
    """Where and how to listen."""

    listen: Address
    largest_request: int = 1 << 20
    """Bytes, read in one go; an Envoy's description of itself is 150 KB in JSON and comes with every request."""
    handshakes: Handshakes | None = None
    """Encrypt, and tell by their certificates who asks; plain text without."""
    allowed_sans: Sequence[str] = ()
    """Whose certificate has none of these names is refused (`AllowedNames`); empty: nobody is asked for a name."""


class RestServer:
    """Answers polls out of the same views as the streams.

    Args:
        options: where and how to listen.
        views: what to serve to whom.
        observer: is told what happens.
    """

    def __init__(self, options: RestOptions, views: Views, observer: StreamObserver) -> None:
        self._options = options
        self._allowed = AllowedNames(options.allowed_sans)
        self._views = views
        self._observer = observer
        self._bodies = Bodies()
        application = web.Application(client_max_size=options.largest_request)
        application.add_routes([web.post(kind.fetch_path, self._handler(kind)) for kind in TYPES])
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)

    async def start(self) -> int:
        """Listen, and return the port, which the operating system chose if it was 0.

        Raises:
            OSError: the address cannot be listened on; the message says which and why.
        """
        listen = self._options.listen
        await self._runner.setup()
        try:
            tls = self._options.handshakes.context() if self._options.handshakes else None
            await web.TCPSite(self._runner, listen.host, listen.port, ssl_context=tls).start()
        except OSError as error:
            await self.stop()
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"cannot listen on {listen} for xDS over REST: {reason}") from error
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
        names = _names(request)
        if self._options.allowed_sans and not self._allowed.admit(names):
            raise Refused(
                Reason.NAME_NOT_ALLOWED, "none of the names in your certificate is allowed here (allowed_sans)"
            )
        asked = discovery_request(await self._read(request))
        cache = self._views.view(Client(asked.node or Node(), peer, names))
        answer = fetch(cache, kind, asked)
        self._observer.fetched(kind.url, unchanged=isinstance(answer, Unchanged))
        if isinstance(answer, Unchanged):
            return web.Response(status=HTTPStatus.NOT_MODIFIED)
        return web.Response(body=await self._bodies.render(answer), content_type="application/json")

    async def _read(self, request: web.Request) -> bytes:
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            largest = self._options.largest_request
            raise Refused(Reason.REQUEST_SIZE, f"the request is larger than {largest} bytes") from error


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
    """The DNS names, URIs and IP addresses of the client's certificate, which TLS has verified; none without TLS."""
    certificate: object = request.transport.get_extra_info("peercert") if request.transport else None
    listed: object = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    pairs = listed if isinstance(listed, tuple) else ()
    dns, uris, addresses = (
        [str(name) for found, name in pairs if found == kind] for kind in ("DNS", "URI", "IP Address")
    )
    return certificate_names(dns, uris, addresses)
