"""How a request of py-consul's API classes travels: over the shared aiohttp session, with our own rules.

py-consul's clients send no `stale` with health reads, prefer a token in the environment, send it on after a redirect
to another host, drop every header but one and lose the status of an error; its API classes know the paths and
parameters, and that is what we use of it.
"""

import asyncio
import errno
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import aiohttp
from consul import base
from yarl import URL

from adapters.consul.credential import Credential
from bridge.errors import Cause, SourceError

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
"""Above the 7 s for which a server without a leader holds a request before it gives up."""

_SLOW_RETRY = 60.0
_DENIED_RETRY = 15.0
_LONGEST_RETRY = 300.0
_DROPPED = (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE)
_HINTS = (
    ("No path to datacenter", None, "is `datacenter` right, and can its servers be reached?"),
    ("boolean expression evaluator", _SLOW_RETRY, "`filter` is not an expression that Consul understands"),
)


_CAUSES: Mapping[int | None, Cause] = MappingProxyType(
    {200: Cause.PARTIAL, 401: Cause.DENIED, 403: Cause.DENIED, 429: Cause.THROTTLED}
)
"""By the HTTP status; a 200 is a failure where its content is not what was asked for."""


class ConsulError(SourceError):
    """A read that Consul did not answer, or answered with something else than what was asked for."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        dropped: bool = False,
        cause: Cause = Cause.ERROR,
    ) -> None:
        super().__init__(message, retry_after=retry_after, cause=_CAUSES.get(status, cause))
        self.status = status
        """The HTTP status; None where no answer came."""
        self.dropped = dropped
        """The agent took the connection and dropped it, as it does above its limit of connections, or said so (429)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 200, whole."""

    url: str
    """What was asked for, for messages; without parameters."""
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go and how they prove who they are."""

    address: str
    tls: ssl.SSLContext | None
    server_name: str | None
    credential: Credential | None
    requested: Callable[[str, str, float], None]
    """Counts a request: operation, status or kind of failure, seconds."""


Query = Sequence[tuple[str, str]]


class Session(Protocol):
    """Whatever holds the connections."""

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session to send with."""


class Transport(base.HTTPClient):  # type: ignore[misc]  # py-consul has no types
    """What py-consul's API classes call to send a request; each call returns an awaitable `Answer`."""

    def __init__(self, send: Callable[[str, Query], Awaitable[Answer]], extra: Query = ()) -> None:
        self._send = send
        self._extra = tuple(extra)

    def get(
        self,
        callback: object,
        path: str,
        params: Query | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        raw: bool = False,
    ) -> Awaitable[Answer]:
        """Ask for `path`, whose segments are quoted already."""
        return self._send(path, (*(params or ()), *self._extra))

    def put(self, *_: object, **__: object) -> None:
        """Refuse: the bridge only reads."""
        raise NotImplementedError("the bridge never writes to Consul")

    post = put
    delete = put

    def close(self) -> None:
        """Leave the session open: it belongs to every source at this agent."""


class Api(base.Consul):  # type: ignore[misc]  # py-consul has no types
    """py-consul's API classes over our transport, deaf to the environment."""

    def __init__(self, transport: Transport, datacenter: str | None) -> None:
        self._transport = transport
        # Each argument that is left out would be looked up in the environment.
        super().__init__(host="agent", port=1, scheme="http", verify=True, dc=datacenter)
        self.token = None

    def http_connect(self, *_: object, **__: object) -> Transport:
        """The transport, whatever the address: that is the transport's business."""
        return self._transport


class Sender:
    """Sends one request and judges whether what came back is an answer."""

    def __init__(self, target: Target, connections: Session, wait: float) -> None:
        self._target = target
        self._connections = connections
        # Consul adds up to a sixteenth to the wait, so that its clients do not come back all at once.
        self._blocking_timeout = wait * 17 / 16 + READ_TIMEOUT
        local = URL(target.address).host in ("127.0.0.1", "::1", "localhost")
        self._headers = {"Accept-Encoding": "identity"} if local else {}

    async def send(self, path: str, query: Query) -> Answer:
        """Send a GET; a refused token is read again, and the request sent once more if that changed it.

        Raises:
            ConsulError: there was no answer, or it was not a 200.
            SourceError: there is no token to send.
        """
        credential = self._target.credential
        if credential is None:
            return await self._attempt(path, query, self._headers)
        token = await credential.token()
        try:
            return await self._attempt(path, query, {**self._headers, "X-Consul-Token": token})
        except ConsulError as error:
            if error.status != 403 or not await credential.replaced(token):
                raise
        return await self._attempt(path, query, {**self._headers, "X-Consul-Token": await credential.token()})

    async def _attempt(self, path: str, query: Query, headers: Mapping[str, str]) -> Answer:
        url = self._target.address + path
        loop = asyncio.get_running_loop()
        began, code = loop.time(), "cancelled"
        try:
            status, received, body = await self._exchange(url, query, headers)
            code = str(status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            code = type(error).__name__
            raise _unanswered(url, error) from error
        finally:
            self._target.requested(_operation(path), code, loop.time() - began)
        if status != 200:
            raise _refused(url, status, received, body)
        return Answer(url, received, body)

    async def _exchange(
        self, url: str, query: Query, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        read = self._blocking_timeout if any(key == "index" for key, _ in query) else READ_TIMEOUT
        timeout = aiohttp.ClientTimeout(total=CONNECT_TIMEOUT + read, sock_connect=CONNECT_TIMEOUT, sock_read=read)
        async with self._connections.session.get(
            URL(url, encoded=True).with_query(query),
            headers=headers,
            allow_redirects=False,  # to another host it would carry the token along
            timeout=timeout,
            ssl=self._target.tls or True,
            server_hostname=self._target.server_name,
        ) as response:
            return response.status, response.headers, await response.read()


def _operation(path: str) -> str:
    """`health.service` for `/v1/health/service/web`: as many as there are kinds of reads."""
    return ".".join(path.split("/")[2:4])


def _unanswered(url: str, error: Exception) -> ConsulError:
    if isinstance(error, TimeoutError):
        return ConsulError(f"cannot read {url}: no answer in time ({type(error).__name__})", cause=Cause.TIMEOUT)
    # A reset is a drop also before TLS is agreed upon, which aiohttp takes for a failure to connect.
    dropped = isinstance(error, aiohttp.ServerDisconnectedError) or getattr(error, "errno", None) in _DROPPED
    return ConsulError(f"cannot read {url}: {error or type(error).__name__}", dropped=dropped)


def _refused(url: str, status: int, headers: Mapping[str, str], body: bytes) -> ConsulError:
    said = excerpt(body)
    retry_after, hint = _advice(status, headers, said)
    message = f"cannot read {url}: {status} {said}".rstrip()
    return ConsulError(
        f"{message}; {hint}" if hint else message, status=status, retry_after=retry_after, dropped=status == 429
    )


def _advice(status: int, headers: Mapping[str, str], said: str) -> tuple[float | None, str]:
    for text, retry_after, hint in _HINTS:
        if text in said:
            return retry_after, hint
    if status == 400:
        return _SLOW_RETRY, "the agent does not accept the request"
    if status in (401, 403):
        return _DENIED_RETRY, "the ACL token is missing, expired, or lacks service:read and node:read"
    if 300 <= status < 400:
        return None, "redirects are not followed: the address must be the agent's own"
    return _retry_after(headers), ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "")
    return min(float(value), _LONGEST_RETRY) if re.fullmatch(r"[0-9]{1,9}", value) else None


def excerpt(body: bytes) -> str:
    """The start of a body on one line, for a message."""
    return " ".join(body[:200].decode("utf-8", "replace").split())
