"""The gRPC server: listens, and hands each call to the service it is for."""

import asyncio
import contextlib
import errno
import time
from collections.abc import Iterator, Mapping, Sequence

import grpc
import grpc.aio

from xds.admission import Admission
from xds.audience import Audience
from xds.in_flight import InFlight
from xds.ledger import Ledger
from xds.node import Client
from xds.observer import Load, StreamContents, StreamObserver, StreamStatus
from xds.propagation import Propagation
from xds.resource import TYPES, ResourceType
from xds.server.client_status import ClientStatus
from xds.server.credentials import Credentials, FreshIdentity, IdentityObserver
from xds.server.discovery import Discovery, Methods
from xds.server.fetch import Fetch
from xds.server.gate import Gate
from xds.server.health import Health
from xds.server.option import ServerOptions, channel_arguments
from xds.server.unix_socket import private, require_free, target
from xds.standing import Receiver
from xds.surroundings import Surroundings
from xds.view import Views

__all__ = ["Credentials", "FreshIdentity", "IdentityObserver", "ServerOptions", "XdsServer"]


class XdsServer:
    """Serves views to any number of clients, until stopped.

    Args:
        views: what to serve to whom; streams stay open and unanswered until there is something.
        options: where and how to listen.
        observer: is told what happens.
        types: the table of what is served, in push order.
        credentials: for TLS; without them everything is plain text.
    """

    def __init__(
        self,
        views: Views,
        options: ServerOptions,
        observer: StreamObserver,
        types: Sequence[ResourceType] = TYPES,
        credentials: Credentials | None = None,
    ) -> None:
        self._options = options
        self._credentials = credentials
        self._gates = [Gate(options.allowed_sans, observer)] if options.allowed_sans else []
        limits, clock = options.limits, time.monotonic
        self._in_flight, self._ledger = InFlight(limits.in_flight, clock), Ledger(limits)
        shared = Surroundings(views, observer, Propagation(), clock, limits, self._in_flight, ledger=self._ledger)
        self._audience = Audience(shared, limits.write_timeout)
        self._admission = admission = Admission(limits, clock)
        self._discovery = Discovery(types, self._audience, shared, admission, options.withhold)
        self._fetch = Fetch(types, shared, admission)
        self._status = ClientStatus(self._audience, options.status_names, admission, observer)
        services = {*self._discovery.services(), *self._status.services()}
        self._health = Health(services, views, admission, observer)
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Listen, and return the port.

        Raises:
            IdentityError: the files of the credentials cannot be used.
            OSError: the address or the socket cannot be listened on.
        """
        options = self._options
        credentials = await self._credentials.load() if self._credentials else None
        if options.socket:
            await require_free(options.socket)
        server = grpc.aio.server(options=channel_arguments(options), interceptors=self._gates)
        for service, methods in self._services():
            server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, methods)])
        port = _listen(server, options, credentials)
        if options.socket:
            _listen_locally(server, options.socket)
        await server.start()
        self._server = server
        return port

    async def run(self) -> None:
        """Tell the streams of changes and look after them, until cancelled. Without it clients learn of no change.

        The files of the credentials are kept to for as long as this runs, too.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._audience.run())
            if self._credentials:
                tasks.create_task(self._credentials.run())

    async def stop(self, grace: float) -> None:
        """End all streams and say goodbye to the clients; they come back by themselves, to us or to another.

        In this order: a goodbye has to be answered (a PING, https://www.rfc-editor.org/rfc/rfc9113#section-6.8), and an
        answer that comes when the connection is closed resets it, with the ends of streams that were not read yet.

        Args:
            grace: seconds after which what still runs is cut off.
        """
        self._discovery.close()
        self._health.close()
        self._audience.dismiss()
        self._status.close()
        if self._server is None:
            return
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._discovery.over()
        await self._server.stop(max(0.0, grace - (time.monotonic() - began)))

    def streams(self) -> Iterator[StreamStatus]:
        """Every open stream, oldest first; looked at one by one as they are asked for."""
        return self._audience.streams()

    def contents(self, node: str) -> Sequence[StreamContents]:
        """The open streams of the clients with this node id, by the names of resources, oldest first."""
        return self._audience.contents(node)

    def receivers(self, name: str) -> Iterator[Receiver]:
        """The same, with how far each client is with the resources of a name."""
        return self._audience.receivers(name)

    def clients(self) -> Iterator[Client]:
        """Who has an open stream, once for each; to ask what they would see in other views."""
        return self._audience.clients()

    async def reconsider(self) -> None:
        """Have the views asked again what each client sees, and end the streams of those that are to see another one.

        They come back by themselves and are given the new one; until then they keep what they have.
        """
        await self._audience.reconsider()

    def load(self) -> Load:
        """What clients cost at the moment."""
        in_flight = self._in_flight
        return Load(
            places=self._admission.taken,
            names=self._ledger.names,
            in_flight=in_flight.used,
            left=in_flight.left,
            waiting=in_flight.waiting,
        )

    def _services(self) -> Sequence[tuple[str, Methods]]:
        parts: Sequence[Mapping[str, Methods]] = [
            part.services() for part in (self._discovery, self._fetch, self._status, self._health)
        ]
        return [service for part in parts for service in part.items()]


def _listen(server: grpc.aio.Server, options: ServerOptions, credentials: grpc.ServerCredentials | None) -> int:
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"{host}:{options.port}"
    try:
        return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        message = f"cannot listen for xDS on {host}:{options.port}; is the port in use?"
        raise OSError(errno.EADDRINUSE, message) from error


def _listen_locally(server: grpc.aio.Server, path: str) -> None:
    try:
        with private():
            server.add_insecure_port(target(path))
    except RuntimeError as error:
        message = f"cannot listen for xDS on {path}; is its directory there and writable, and no file in its place?"
        raise OSError(errno.EADDRINUSE, message) from error
