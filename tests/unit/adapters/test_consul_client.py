"""The client and its transport against a server of ours: what py-consul does on its own must not happen."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from adapters.consul.agent import Agent
from adapters.consul.client import Client, Reply, next_index, readable
from adapters.consul.config import Config
from adapters.consul.credential import credential
from adapters.consul.transport import ConsulError, Target
from bridge.errors import Cause
from support.http_server import answering
from support.ports import free_port


@dataclass
class Server:
    """Answers every request alike, and remembers them."""

    address: str = ""
    answer: Callable[[], web.Response] = field(
        default=lambda: web.json_response([], headers={"X-Consul-Index": "7", "X-Consul-KnownLeader": "true"})
    )
    requests: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        return self.answer()

    @property
    def paths(self) -> list[str]:
        return [request.raw_path for request in self.requests]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with answering(server.handle) as server.address:
        yield server


@dataclass
class Counted:
    """The requests that were counted, as (operation, code)."""

    all: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, operation: str, code: str, duration: float) -> None:
        assert duration >= 0
        self.all.append((operation, code))


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    agent = Agent()
    async with agent.joined():
        yield agent


def client(server: Server, agent: Agent, counted: Counted | None = None, **config: object) -> Client:
    options = Config.model_validate({"address": server.address, **config})
    return Client(options, agent, Target(options.address, None, None, None, counted or Counted()))


async def test_reply_carries_what_it_can_be_judged_by(server: Server, agent: Agent) -> None:
    assert await client(server, agent).instances("web") == Reply((), index=7, known_leader=True)


async def test_index_is_a_number(server: Server, agent: Agent) -> None:
    """As text, 9 is more than 10."""
    server.answer = lambda: web.json_response([], headers={"X-Consul-Index": "10"})

    assert (await client(server, agent).instances("web")).index > 9


async def test_consistency_reaches_health_reads(server: Server, agent: Agent) -> None:
    reader = client(server, agent, consistency="stale")

    await reader.instances("web")
    await reader.instances("web", consistent=True)

    assert server.paths == ["/v1/health/service/web?stale=", "/v1/health/service/web?consistent="]


async def test_consistency_is_named_once_in_catalog_reads(server: Server, agent: Agent) -> None:
    server.answer = lambda: web.json_response({}, headers={"X-Consul-Index": "7"})

    await client(server, agent, consistency="stale", datacenter="dc2").services()

    assert server.paths == ["/v1/catalog/services?dc=dc2&stale="]


async def test_options_reach_the_agent(server: Server, agent: Agent) -> None:
    reader = client(server, agent, tags=["a", "b"], filter='Node.Meta.x == "1"', wait="2s")

    await reader.instances("web", 5)

    query = server.requests[0].query
    assert (query.getall("tag"), query["filter"], query["index"], query["wait"]) == (
        ["a", "b"], 'Node.Meta.x == "1"', "5", "2000ms",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["a/b", "a b", "a?b#c", "ü%2f"])
async def test_name_stays_one_segment_of_the_path(server: Server, agent: Agent, name: str) -> None:
    await client(server, agent).instances(name)

    (request,) = server.requests
    assert request.raw_path.count("/") == 4
    assert request.path == f"/v1/health/service/{name}"


async def test_environment_is_not_heard(server: Server, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CONSUL_HTTP_TOKEN": "stray",
        "CONSUL_HTTP_ADDR": "https://elsewhere:1",
        "CONSUL_HTTP_SSL": "true",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)

    await client(server, agent).instances("web")

    assert "X-Consul-Token" not in server.requests[0].headers


async def test_token_does_not_follow_a_redirect(server: Server, agent: Agent, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    server.answer = lambda: web.Response(status=301, headers={"Location": f"{server.address}/elsewhere"})

    with credential(file, pytest.fail) as token:
        options = Config(address=server.address)
        reader = Client(options, agent, Target(options.address, None, None, token, Counted()))
        with pytest.raises(ConsulError, match="redirects are not followed"):
            await reader.instances("web")

    assert [request.path for request in server.requests] == ["/v1/health/service/web"]
    assert server.requests[0].headers["X-Consul-Token"] == "secret"


@pytest.mark.parametrize(
    ("status", "headers", "retry_after", "dropped"),
    [
        (429, {"Retry-After": "7"}, 7.0, True),
        (503, {"Retry-After": "9"}, 9.0, False),
        (503, {"Retry-After": "999999"}, 300.0, False),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None, False),
        (500, {}, None, False),
        (403, {}, 15.0, False),
        (400, {}, 60.0, False),
    ],
)
async def test_error_keeps_its_status_and_says_when_to_return(
    server: Server, agent: Agent, status: int, headers: dict[str, str], retry_after: float | None, dropped: bool
) -> None:
    counted = Counted()
    server.answer = lambda: web.Response(status=status, headers=headers, text="what\nhappened")

    with pytest.raises(ConsulError, match=f"{status} what happened") as raised:
        await client(server, agent, counted).instances("web")

    assert (raised.value.status, raised.value.retry_after, raised.value.dropped) == (status, retry_after, dropped)
    assert counted.all == [("health.service", str(status))]


@pytest.mark.parametrize(
    ("status", "cause"),
    [(403, Cause.DENIED), (429, Cause.THROTTLED), (500, Cause.ERROR), (200, Cause.PARTIAL)],
)
async def test_failed_reads_are_counted_by_their_cause(server: Server, agent: Agent, status: int, cause: Cause) -> None:
    server.answer = lambda: web.Response(status=status, text="<html>", headers={"X-Consul-Index": "7"})

    with pytest.raises(ConsulError) as raised:
        await client(server, agent).instances("web")

    assert raised.value.cause is cause


@pytest.mark.parametrize("body", ["null", "<html>", "", "{}", '[{"Node": 1}]', '[{"Service": {}}]', "[null]"])
async def test_what_is_not_consuls_is_an_error(server: Server, agent: Agent, body: str) -> None:
    server.answer = lambda: web.Response(text=body, headers={"X-Consul-Index": "7"})

    with pytest.raises(ConsulError, match="not Consul's"):
        await client(server, agent).instances("web")


@pytest.mark.parametrize("index", [None, "", "0", "-1", "soon", "1.5", "²", "9" * 5000])
async def test_answer_without_a_usable_index_is_an_error(server: Server, agent: Agent, index: str | None) -> None:
    server.answer = lambda: web.json_response([], headers={"X-Consul-Index": index} if index is not None else {})

    with pytest.raises(ConsulError, match="X-Consul-Index"):
        await client(server, agent).instances("web")


async def test_nobody_listening_is_an_error_that_names_the_agent(agent: Agent) -> None:
    server = Server(f"http://127.0.0.1:{free_port()}")
    counted = Counted()

    with pytest.raises(ConsulError, match=server.address) as raised:
        await client(server, agent, counted).instances("web")

    assert (raised.value.status, raised.value.dropped) == (None, False)
    assert counted.all == [("health.service", "ClientConnectorError")]
    assert not await client(server, agent).has_leader()


@pytest.mark.parametrize("tls", [None, ssl.create_default_context()], ids=["http", "https"])
async def test_connection_that_is_reset_was_dropped(agent: Agent, tls: ssl.SSLContext | None) -> None:
    """So an agent above its limit of connections does."""

    def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_once = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        address = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        reader = Client(Config(address=address), agent, Target(address, tls, None, None, Counted()))

        with pytest.raises(ConsulError, match="cannot read") as raised:
            await reader.instances("web")

    assert raised.value.dropped


@pytest.mark.parametrize(("leader", "known"), [('"10.0.0.1:8300"', True), ('""', False), ("<html>", False)])
async def test_leader_is_known_when_it_is_named(server: Server, agent: Agent, leader: str, known: bool) -> None:
    server.answer = lambda: web.Response(text=leader)

    assert await client(server, agent).has_leader() is known


@pytest.mark.parametrize("name", ["web", "team/web", "tr/", "a.b", "...", "ü", "a b"])
def test_name_can_be_asked_for(name: str) -> None:
    assert readable(name)


@pytest.mark.parametrize(
    "name", ["..", ".", "a/../b", "a//b", "/web", "a/.", "a/..", "../x", "x\ny", "\u202e", "a\u00a0b"]
)
def test_name_that_an_agent_takes_for_a_path_or_refuses_cannot_be_asked_for(name: str) -> None:
    assert not readable(name)


def test_query_that_was_woken_with_nothing_new_is_followed_by_one_that_does_not_wait() -> None:
    assert next_index(Reply((), index=5, early=True), 5) is None
    assert next_index(Reply((), index=5, early=False), 5) == 5
    assert next_index(Reply((), index=6, early=True), 5) == 6
    assert next_index(Reply((), index=6), None) == 6
