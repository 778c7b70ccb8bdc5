"""`grpc.health.v1`: whether clients are answered, for load balancers and for probes of an orchestrator.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
from collections.abc import Collection, Mapping

import grpc

from xds.admission import Admission
from xds.codec.health import ServingStatus, decode_health_request, encode_health_response
from xds.observer import StreamObserver
from xds.refusal import Refused
from xds.server.connection import Context, GrpcConnection, refuse
from xds.server.discovery import Methods
from xds.session import Connection, Disconnected
from xds.view import Views


class Health:
    """Says of the server and of each service whether clients are answered: as soon as there is something to serve.

    Args:
        services: full names of those that are asked about.
        views: what is served.
        admission: lets calls of `Watch` in; they have a place each, as streams have.
        observer: is told of calls that are refused.
    """

    def __init__(self, services: Collection[str], views: Views, admission: Admission, observer: StreamObserver) -> None:
        self._known = frozenset(services) | {""}
        self._views = views
        self._observer = observer
        self._admission = admission
        self._changed = asyncio.Event()
        self._ready = views.ready
        self._closed = False
        self._unwatch = views.watch(self._follow)

    def services(self) -> Mapping[str, Methods]:
        """The methods of the service by its full name."""
        return {
            "grpc.health.v1.Health": {
                "Check": grpc.unary_unary_rpc_method_handler(self._check),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
            }
        }

    def close(self) -> None:
        """Say that nobody is served any more, which is the last that watchers hear."""
        self._closed = True
        self._unwatch()
        self._notify()

    def _status(self, service: str) -> ServingStatus:
        if service not in self._known:
            return ServingStatus.SERVICE_UNKNOWN
        serving = self._views.ready and not self._closed
        return ServingStatus.SERVING if serving else ServingStatus.NOT_SERVING

    def _follow(self, _generation: int) -> None:
        """Wake those who watch when there is something to tell them: not with each change of what is served."""
        if self._views.ready != self._ready:
            self._ready = self._views.ready
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _check(self, data: bytes, context: Context) -> bytes:
        try:
            service = decode_health_request(data)
        except Refused as refusal:
            await refuse(context, refusal, self._observer)
        status = self._status(service)
        if status is ServingStatus.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {service[:200]!r}")
        return encode_health_response(status)

    async def _watch(self, data: bytes, context: Context) -> None:
        try:
            service = decode_health_request(data)
            connection = GrpcConnection(context)
            async with self._admission.place(connection.client):
                await self._tell_changes(service, connection)
        except Refused as refusal:
            await refuse(context, refusal, self._observer)
        except Disconnected:
            return

    async def _tell_changes(self, service: str, connection: Connection) -> None:
        told: ServingStatus | None = None
        while True:
            changed, status, closed = self._changed, self._status(service), self._closed
            if status is not told:
                await connection.write(encode_health_response(status))
                told = status
            if closed:
                return
            await changed.wait()
