"""A proxy for HTTP that misbehaves on request, between a client and a real server; it counts connections too."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from support.listening import listening


@dataclass(frozen=True)
class Response:
    """An answer on its way back."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str, value: str | None) -> "Response":
        """The same with a header set, or without it."""
        kept = tuple((key, old) for key, old in self.headers if key.lower() != name.lower())
        return replace(self, headers=kept if value is None else (*kept, (name, value)))

    def encoded(self, length: int | None = None) -> bytes:
        """As it goes over the wire, with a `Content-Length` that may lie."""
        headers = self.header("Content-Length", str(len(self.body) if length is None else length)).headers
        head = "".join(f"{key}: {value}\r\n" for key, value in headers)
        return f"HTTP/1.1 {self.status} x\r\n{head}\r\n".encode() + self.body


Fault = Callable[[Response, asyncio.StreamWriter], Awaitable[None]]
"""Writes something in place of the answer; what it leaves open stays open."""

Rewrite = Callable[[Response], Response]


def rewritten(rewrite: Rewrite) -> Fault:
    """Answer with something made of the real answer."""

    async def fault(response: Response, writer: asyncio.StreamWriter) -> None:
        writer.write(rewrite(response).encoded())
        await writer.drain()

    return fault


def body(content: bytes) -> Fault:
    """Answer with other content under the same headers."""
    return rewritten(lambda response: replace(response, body=content))


def header(name: str, value: str | None) -> Fault:
    """Answer with a header changed, or missing."""
    return rewritten(lambda response: response.header(name, value))


def status(code: int, content: bytes = b"", **headers: str) -> Fault:
    """Answer with a status; underscores in header names stand for hyphens."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return rewritten(lambda _: Response(code, named, content))


async def hang(_: Response, __: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def drop(_: Response, writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""
    writer.close()


async def reset_in_body(response: Response, writer: asyncio.StreamWriter) -> None:
    """Break off in the middle of the body."""
    writer.write(response.encoded()[: -len(response.body) // 2])
    await writer.drain()
    writer.transport.abort()


async def truncated(response: Response, writer: asyncio.StreamWriter) -> None:
    """Send half of the body as if it were all."""
    half = replace(response, body=response.body[: len(response.body) // 2])
    writer.write(half.encoded())
    await writer.drain()


async def drip(response: Response, writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then, for ever: no single read ever times out."""
    writer.write(response.encoded(length=10**9))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.2)


class FaultProxy:
    """Forwards requests to `upstream`, except those that a fault was set for."""

    def __init__(self, upstream: str) -> None:
        self._host, self._port = urlsplit(upstream).hostname, urlsplit(upstream).port
        self._faults: list[tuple[str, bytes, Fault]] = []
        self._asking: Callable[[bytes], bytes] = lambda request: request
        self.port = 0
        self.open = 0
        self.most = 0
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Path with query, and headers in lower case, of every request."""

    @property
    def address(self) -> str:
        """Where the client is to connect to."""
        return f"http://127.0.0.1:{self.port}"

    def fault(self, path: str, fault: Fault, *, containing: bytes = b"") -> None:
        """Misbehave for every request with such a path and this in it, until `heal`; a later fault goes first."""
        self._faults.insert(0, (path, containing, fault))

    def ask(self, rewrite: Callable[[bytes], bytes]) -> None:
        """Ask the server something made of each request, which is to be as long."""
        self._asking = rewrite

    def heal(self) -> None:
        """Behave."""
        self._faults.clear()

    def asked(self, path: str) -> list[str]:
        """The requests so far whose path begins so."""
        return [asked for asked, _ in self.requests if asked.startswith(path)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the client, with one to the server."""
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            while not writer.is_closing():
                await self._converse(reader, writer, await reader.readuntil(b"\r\n\r\n"))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        """Serve requests, of which the first begins so, for as long as the server keeps its connection."""
        upstream, to_upstream = await asyncio.open_connection(self._host, self._port, limit=2**26)
        try:
            while await self._relay(head, reader, writer, upstream, to_upstream):
                head = await reader.readuntil(b"\r\n\r\n")
        finally:
            to_upstream.transport.abort()

    async def _relay(
        self,
        request: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: asyncio.StreamReader,
        to_upstream: asyncio.StreamWriter,
    ) -> bool:
        """Serve one request; returns whether the server may be asked on this connection again."""
        path = self._note(request)
        request += await reader.readexactly(int(self.requests[-1][1].get("content-length", "0")))
        fault = self._fault(path, request)
        to_upstream.write(self._asking(request))
        left = asyncio.create_task(reader.read(1))
        answer = asyncio.create_task(self._answer(upstream, writer, fault, partial(self._fault, path, request)))
        try:
            await asyncio.wait({left, answer}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                writer.transport.abort()
                return False
            return answer.result() and not writer.is_closing()
        finally:
            for task in (left, answer):
                task.cancel()
                with suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
                    await task

    def _note(self, request: bytes) -> str:
        first, *lines = request.decode("latin-1").split("\r\n")
        path = first.split(" ")[1]
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        self.requests.append((path, {key.lower(): value for key, value in headers.items()}))
        return path

    def _fault(self, path: str, request: bytes) -> Fault | None:
        return next(
            (fault for prefix, part, fault in self._faults if path.startswith(prefix) and part in request), None
        )

    async def _answer(
        self,
        upstream: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        fault: Fault | None,
        late: Callable[[], Fault | None],
    ) -> bool:
        """Answer one request; returns whether the server keeps the connection."""
        if fault in (hang, drop):
            await fault(Response(0, (), b""), writer)
            return True
        response = await _response(upstream)
        # Faults that were set while a blocking query was open count as well.
        await (late() or fault or rewritten(lambda same: same))(response, writer)
        return not any(name.lower() == "connection" and value.lower() == "close" for name, value in response.headers)


async def _response(upstream: asyncio.StreamReader) -> Response:
    head = (await upstream.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    lower = {name.lower(): value for name, value in headers}
    if lower.get("transfer-encoding") == "chunked":
        content = await _chunks(upstream)
        headers = tuple(pair for pair in headers if pair[0].lower() != "transfer-encoding")
    else:
        content = await upstream.readexactly(int(lower.get("content-length", "0")))
    return Response(int(first.split(" ")[1]), headers, content)


async def _chunks(upstream: asyncio.StreamReader) -> bytes:
    content = b""
    while size := int(await upstream.readuntil(b"\r\n"), 16):
        content += await upstream.readexactly(size)
        await upstream.readexactly(2)
    await upstream.readexactly(2)
    return content


@asynccontextmanager
async def fault_proxy(upstream: str) -> AsyncIterator[FaultProxy]:
    """A proxy in front of `upstream`, on a port of its own."""
    proxy = FaultProxy(upstream)
    async with listening(proxy.serve) as proxy.port:
        yield proxy
