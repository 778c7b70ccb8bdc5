"""AWS for tests: moto's server for what it knows, and answers written by the test for what moto cannot do."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import boto3
import pytest
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

from adapters._aws import Cloud
from support.confidential import hand_out
from support.fault_proxy import Response
from support.listening import listening

REGION = "eu-west-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": hand_out("secret-of-the-environment"),
}
XML = (("Content-Type", "text/xml;charset=UTF-8"),)
JSON = (("Content-Type", "application/x-amz-json-1.1"),)


def use_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the SDK find credentials, in the environment alone, and no region."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def assumed(url: str, role: str) -> dict[str, str]:
    """Credentials in the account of a role, as keyword arguments of a client."""
    sts = boto3.client("sts", region_name=REGION, endpoint_url=url)
    found = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


def impatient() -> Cloud:
    """A cloud whose SDK tries each call once."""
    return Cloud(attempts=1)


@contextmanager
def moto_server() -> Iterator[str]:
    """moto's server in this process, in threads of its own, so that a test can reach into its backends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # takes seconds
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or each request is a line of every failed test
        moto_api_backend.reset()
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield f"http://{host}:{port}"
        finally:
            server.stop()


@dataclass(frozen=True)
class Request:
    """A call as it arrived."""

    operation: str
    parameters: Mapping[str, str]
    """The form of the Query and EC2 protocols; empty for JSON."""
    body: bytes
    headers: Mapping[str, str]
    """With names in lower case."""

    def values(self, prefix: str) -> list[str]:
        """The numbered values below a prefix: `Filter.1.Value` has `Filter.1.Value.1`, `Filter.1.Value.2`, …"""
        return [value for name, value in self.parameters.items() if name.startswith(f"{prefix}.")]


Handler = Callable[[Request], Response | Awaitable[Response]]


@dataclass
class CannedAws:
    """An HTTP server that answers each operation as a test says, and keeps what it was asked."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    """How many were opened so far."""
    _handlers: dict[str, Handler] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the client is to connect to."""
        return f"http://127.0.0.1:{self.port}"

    def on(self, operation: str, handler: Handler | Response) -> None:
        """Answer an operation so from now on."""
        self._handlers[operation] = handler if callable(handler) else lambda _: handler

    def handler(self, operation: str) -> Handler:
        """What answers an operation now."""
        return self._handlers[operation]

    def asked(self, operation: str) -> list[Request]:
        """The calls of an operation so far."""
        return [request for request in self.requests if request.operation == operation]

    async def answer(self, request: Request) -> Response:
        """What a call is answered; one that nobody planned for is refused."""
        self.requests.append(request)
        handler = self._handlers.get(request.operation)
        if handler is None:
            return error(400, "InvalidAction", f"the test has no answer to {request.operation}")
        answer = handler(request)
        return answer if isinstance(answer, Response) else await answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = (line.partition(": ") for line in head.split("\r\n")[1:] if line)
                headers = {name.lower(): value for name, _, value in lines}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                writer.write((await self.answer(_request(headers, body))).encoded())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()


def _request(headers: Mapping[str, str], body: bytes) -> Request:
    if target := headers.get("x-amz-target"):
        return Request(target.partition(".")[2], {}, body, headers)
    parameters = dict(parse_qsl(body.decode(), keep_blank_values=True))
    return Request(parameters.get("Action", ""), parameters, body, headers)


class Bucket:
    """The tokens that AWS takes calls from, which belong to the whole account."""

    def __init__(self, rate: float, burst: float) -> None:
        self.neighbour = 0.0
        """Calls per second of somebody else in the account."""
        self.refused = 0
        self._rate, self._burst, self._tokens, self._at = rate, burst, burst, 0.0

    def take(self) -> bool:
        """Whether a call is answered."""
        now = asyncio.get_running_loop().time()
        self._tokens = max(0, min(self._burst, self._tokens + (now - self._at) * (self._rate - self.neighbour)))
        self._at = now
        if self._tokens < 1:
            self.refused += 1
            return False
        self._tokens -= 1
        return True


@asynccontextmanager
async def canned_aws() -> AsyncIterator[CannedAws]:
    """A server without answers yet."""
    canned = CannedAws()
    async with listening(canned.serve) as canned.port:
        yield canned


async def hang(_: Request) -> Response:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


def error(status: int, code: str, message: str = "because the test says so") -> Response:
    """An error as EC2 sends it."""
    body = f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>"
    return Response(status, XML, body.encode())


def json_error(status: int, code: str, message: str = "because the test says so") -> Response:
    """An error as ECS sends it."""
    return Response(status, JSON, f'{{"__type": "{code}", "message": "{message}"}}'.encode())


def document(operation: str, content: str) -> Response:
    """An answer of EC2 with status 200."""
    xmlns = "http://ec2.amazonaws.com/doc/2016-11-15/"
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{operation}Response xmlns="{xmlns}">{content}</{operation}Response>'
    )
    return Response(200, XML, body.encode())


def broken() -> Mapping[str, Response]:
    """What a 200 can hold that is no answer, by what is wrong with it."""
    whole = document("DescribeInstances", "<reservationSet></reservationSet>").body
    return {
        "truncated": Response(200, XML, whole[: len(whole) // 2]),
        "html": Response(200, (("Content-Type", "text/html"),), b"<html><body>Please log in</body></html>"),
        "empty": Response(200, XML, b""),
        "null": Response(200, JSON, b"null"),
        "other_document": Response(200, XML, b"<DescribeInstancesResponse></DescribeInstancesResponse>"),
        "json": Response(200, JSON, b'{"message": "service unavailable"}'),
    }
