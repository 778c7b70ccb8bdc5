"""The gRPC server: listens, and hands each call to the service it is for."""

import asyncio
import errno
import time
from collections.abc import Sequence

import grpc
import grpc.aio

from xds.audience import Audience
from xds.in_flight import InFlight
from xds.observer import StreamObserver, StreamStatus
from xds.propagation import Propagation
from xds.resource import TYPES, ResourceType
from xds.server.discovery import Discovery
from xds.server.option import ServerOptions, channel_arguments
from xds.session import Surroundings
from xds.view import Views

__all__ = ["ServerOptions", "XdsServer"]


class XdsServer:
    """Serves views to any number of clients, until stopped.

    Args:
        views: what to serve to whom; streams stay open and unanswered until there is something.
        options: where and how to listen.
        observer: is told what happens.
        types: the table of what is served, in push order.
    """

    def __init__(
        self,
        views: Views,
        options: ServerOptions,
        observer: StreamObserver,
        types: Sequence[ResourceType] = TYPES,
    ) -> None:
        self._options = options
        limits, clock = options.limits, time.monotonic
        shared = Surroundings(views, observer, Propagation(), clock, limits, InFlight(limits.in_flight, clock))
        self._audience = Audience(shared, limits.write_timeout)
        self._discovery = Discovery(types, self._audience, shared)
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Listen, and return the port.

        Raises:
            OSError: the address cannot be listened on.
        """
        options = self._options
        server = grpc.aio.server(options=channel_arguments(options))
        for service, methods in self._discovery.services().items():
            server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, methods)])
        host = f"[{options.host}]" if ":" in options.host else options.host
        try:
            port = server.add_insecure_port(f"{host}:{options.port}")
        except RuntimeError as error:
            message = f"cannot listen for xDS on {host}:{options.port}; is the port in use?"
            raise OSError(errno.EADDRINUSE, message) from error
        await server.start()
        self._server = server
        return port

    async def run(self) -> None:
        """Tell the streams of changes and look after them, until cancelled. Without it clients learn of no change."""
        await self._audience.run()

    async def stop(self, grace: float) -> None:
        """Say goodbye to all clients and end their streams; they come back by themselves, to us or to another.

        Args:
            grace: seconds after which what still runs is cut off.
        """
        self._discovery.close()
        async with asyncio.TaskGroup() as tasks:
            if self._server:
                tasks.create_task(self._server.stop(grace))
            # gRPC would wait for the streams, and these never end by themselves.
            self._audience.dismiss()

    def streams(self) -> Sequence[StreamStatus]:
        """Every open stream, oldest first."""
        return self._audience.streams()
