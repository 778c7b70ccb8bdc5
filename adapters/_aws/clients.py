"""The SDK's side: sessions, credentials and clients. Everything here blocks, and runs in the threads of `api`.

Sessions and clients of a place are made under its lock, because botocore's sessions are not for several threads; its
clients are. Looking for credentials can take a minute, so no place waits for the lock of another.
"""

import functools
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Protocol, cast

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import MetadataRetrievalError, NoCredentialsError
from botocore.parsers import ResponseParserError, ResponseParserFactory
from botocore.utils import InstanceMetadataRegionFetcher

from adapters._aws.error import StaleCredentialsError
from adapters._aws.place import REGION, Place

ATTEMPTS = 4
"""The most tries of the SDK for one call; more would take half a minute, and the next poll is a try too."""

_CONNECT_TIMEOUT = 3.0
_CONNECTIONS = 8
_METADATA_ATTEMPTS = 3
_ROLE_SESSION = "xds-bridge"
_SHAPE_ERRORS = (AttributeError, LookupError, TypeError, ValueError)
"""What the SDK's parsers raise when a document has another shape than they expect."""

# botocore reads AWS_DEFAULT_REGION alone, where all other SDKs and ECS itself say AWS_REGION.
_VARIABLES = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}


def longest(place: Place, attempts: int) -> float:
    """The seconds that a call may take when nothing is ever answered, with every try and the pauses in between.

    Args:
        place: has the time-out.
        attempts: the most tries for one call.
    """
    pauses = 2.0 ** (attempts - 1) - 1  # at most a second before the second try, and twice as long before each further
    return attempts * (min(_CONNECT_TIMEOUT, place.timeout) + place.timeout) + pauses


class _Client(Protocol):
    """What we need of a client beside its operations, which are methods made from AWS's service model."""

    def close(self) -> None: ...


class Clients:
    """One client for each place and service, made on first use and kept for as long as its credentials work."""

    def __init__(self, attempts: int = ATTEMPTS, loader: object = None) -> None:
        """Make nothing yet.

        Args:
            attempts: the most tries for one call; fewer in tests.
            loader: the SDK's service models as another object of this class has them; None to load them.
        """
        self._attempts = attempts
        self._lock = threading.Lock()
        """For what follows, and held for no longer than that takes."""
        self._locks: defaultdict[Place, threading.Lock] = defaultdict(threading.Lock)
        self._parsers = _Parsers()
        self._loader = loader
        self._sessions: dict[Place, boto3.Session] = {}
        self._clients: dict[tuple[Place, str], _Client] = {}

    def call(
        self, place: Place, service: str, operation: str, parameters: Mapping[str, object]
    ) -> Mapping[str, object]:
        """Make one call, with the SDK's retries.

        Raises:
            BotoCoreError, ClientError, ResponseParserError: see `error.FAILURES`.
        """
        method: Callable[..., Mapping[str, object]] = getattr(self._client(place, service), xform_name(operation))
        try:
            return method(**parameters)
        except _SHAPE_ERRORS as error:
            raise ResponseParserError(f"the answer has another shape than AWS's ({error!r})") from error
        except RuntimeError as error:  # the SDK has no exception of its own for this one
            if "expired" not in str(error):
                raise
            raise StaleCredentialsError(said=error) from error

    def region(self) -> str | None:
        """The region that the environment, the SDK's files or the machine's metadata name; None when none does."""
        core = self._core()
        if region := core.get_config_variable("region"):
            return str(region)
        settings = ("ec2_metadata_service_endpoint", "ec2_metadata_service_endpoint_mode", "ec2_metadata_v1_disabled")
        fetcher = InstanceMetadataRegionFetcher(
            timeout=1,
            num_attempts=_METADATA_ATTEMPTS,
            config={name: core.get_config_variable(name) for name in settings},
        )
        try:
            found = REGION.match(fetcher.retrieve_region() or "")  # in a Local Zone it has more behind the region
        except MetadataRetrievalError:
            return None
        return found[0] if found else None

    def forget(self, place: Place) -> None:
        """Look for credentials anew at the next call."""
        with self._lock_of(place), self._lock:
            self._sessions.pop(place, None)
            for key in [key for key in self._clients if key[0] == place]:
                del self._clients[key]  # not closed: another thread may be calling

    def successor(self) -> "Clients":
        """One that has made nothing yet, but need not load the service models again."""
        return Clients(self._attempts, self._loader)

    def close(self) -> None:
        """Close every connection that is idle; a call that is under way ends by itself."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
            self._sessions.clear()

    def _client(self, place: Place, service: str) -> _Client:
        key = (place, service)
        with self._lock_of(place):
            with self._lock:
                client, session = self._clients.get(key), self._sessions.get(place)
            if client is None:
                session = session or self._session(place)
                client = cast("_Client", session.client(service, **self._options(place)))
                with self._lock:
                    self._sessions[place], self._clients[key] = session, client
            return client

    def _lock_of(self, place: Place) -> threading.Lock:
        with self._lock:
            return self._locks[place]

    def _options(self, place: Place) -> dict[str, object]:
        # Not "adaptive": after throttling it counts tokens by the wall clock, and waits while that is set back.
        config = Config(
            connect_timeout=min(_CONNECT_TIMEOUT, place.timeout),
            read_timeout=place.timeout,
            retries={"mode": "standard", "total_max_attempts": self._attempts},
            max_pool_connections=_CONNECTIONS,
            tcp_keepalive=True,
            user_agent_extra="xds-bridge",
        )
        return {"region_name": place.region, "endpoint_url": place.endpoint_url, "config": config}

    def _session(self, place: Place) -> boto3.Session:
        core = self._core()
        if place.role is None:
            return boto3.Session(botocore_session=core)
        source = core.get_credentials()
        if source is None:
            raise NoCredentialsError
        extra = {"RoleSessionName": _ROLE_SESSION}
        if place.external_id:
            extra["ExternalId"] = place.external_id
        fetcher = AssumeRoleCredentialFetcher(
            functools.partial(core.create_client, **self._options(place)), source, place.role, extra_args=extra
        )
        assumed = self._core()
        assumed.register_component(
            "credential_provider", _Fixed(DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role"))
        )
        return boto3.Session(botocore_session=assumed)

    def _core(self) -> botocore.session.Session:
        """A session of botocore's; all share the loader, which keeps tens of megabytes of service models."""
        core = botocore.session.Session(session_vars=_VARIABLES)
        # The SDK would fall back to version 1 of the metadata service, which any request forged by a server can read.
        core.set_config_variable("ec2_metadata_v1_disabled", True)  # noqa: FBT003 (the library takes it so)
        core.set_config_variable("metadata_service_num_attempts", _METADATA_ATTEMPTS)
        core.register_component("response_parser_factory", self._parsers)
        with self._lock:
            if self._loader is None:
                self._loader = core.get_component("data_loader")
        core.register_component("data_loader", self._loader)
        return core


class _Fixed:
    """Stands in for the SDK's chain of places to look for credentials."""

    def __init__(self, credentials: DeferredRefreshableCredentials) -> None:
        self._credentials = credentials

    def load_credentials(self) -> DeferredRefreshableCredentials:
        return self._credentials


class _Parsers(ResponseParserFactory):  # type: ignore[misc]  # botocore ships no types
    """Makes parsers that work one at a time and refuse what is no answer.

    Parsing is slow and in pure Python: with one thread at it, however many places are read, the event loop has to wait
    for one only. And botocore takes an HTML page or an empty body with status 200 for an answer without content.
    """

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()

    def create_parser(self, protocol_name: str) -> "_Parser":
        return _Parser(super().create_parser(protocol_name), self._turn)


class _Wrapped(Protocol):
    def parse(self, response: Mapping[str, object], shape: object) -> dict[str, object]: ...


class _Parser:
    def __init__(self, wrapped: _Wrapped, turn: threading.Lock) -> None:
        self._wrapped = wrapped
        self._turn = turn

    def parse(self, response: Mapping[str, object], shape: object) -> dict[str, object]:
        status, context = response["status_code"], cast("Mapping[str, str]", response["context"])
        if isinstance(status, int) and status < 300:
            require_document(cast("bytes", response["body"]), context["operation_name"])
        with self._turn:
            return self._wrapped.parse(response, shape)


def require_document(body: bytes, operation: str) -> None:
    """Refuse a body that cannot be the answer to an operation: neither its XML document nor a JSON object.

    Raises:
        ResponseParserError: it is empty, cut off, of another document or of another format.
    """
    start, end = body[:512].strip(), body[-64:].strip()
    if start.startswith(b"{") and end.endswith(b"}"):
        return
    if f"<{operation}Response".encode() in start and end.endswith(f"</{operation}Response>".encode()):
        return
    said = " ".join(body[:80].decode("utf-8", "replace").split()) or "nothing"
    raise ResponseParserError(f"the body is no complete answer: {said}")
