"""The unix socket: who may use it, what can be changed through it, and that there is no other door."""

import asyncio
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bridge.admin import AdminServer, View
from bridge.admin.unix_socket import Peer, bind
from bridge.audit import Trail
from bridge.config import AdminConfig
from bridge.errors import ConfigError
from bridge.guard import Reason
from bridge.merge import ServedEndpoint, Service
from bridge.model import Endpoint, EndpointKey, Health, ServiceName
from bridge.operator import Drain, NothingToDoError, Pause, UnknownError, Who
from bridge.registry import Hold
from bridge.reload import ReloadOutcome
from support.admin_fakes import (
    DC1,
    LISTED,
    LOCAL,
    ORIGIN,
    FakeHistory,
    FakeInquiry,
    FakeKnowledge,
    FakeMetrics,
    FakeOperation,
    FakeReadiness,
    FakeReading,
    FakeReloads,
    FakeReplicas,
    FakeRules,
    FakeServing,
    FakeStreams,
)
from support.waiting import eventually
from xds import StreamStatus

Answer = tuple[int, dict[str, object]]


@dataclass
class Doors:
    """A server with both doors open, and what is behind them."""

    path: Path
    port: int
    operation: FakeOperation
    knowledge: FakeKnowledge
    streams: FakeStreams

    async def local(self, method: str, path: str, body: object = None) -> Answer:
        return await self._ask(aiohttp.UnixConnector(str(self.path)), "http://localhost", method, path, body)

    async def network(self, method: str, path: str, body: object = None) -> Answer:
        return await self._ask(aiohttp.TCPConnector(), f"http://127.0.0.1:{self.port}", method, path, body)

    async def _ask(self, connector: aiohttp.BaseConnector, root: str, method: str, path: str, body: object) -> Answer:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, root + path, json=body) as response,
        ):
            return response.status, await response.json(content_type=None)


@asynccontextmanager
async def opened(path: Path, group: str | None = None) -> AsyncIterator[Doors]:
    operation, knowledge, streams = FakeOperation(), FakeKnowledge(), FakeStreams()
    config = AdminConfig.model_validate({"listen": "127.0.0.1:0", "socket": str(path), "socket_group": group})
    rest = (FakeHistory(), FakeReadiness(), FakeReading(), streams, FakeServing(), FakeMetrics(), operation)
    view = View(lambda: LISTED, knowledge, *rest, FakeReloads(), FakeReplicas(), FakeRules, Trail(), FakeInquiry())
    server = AdminServer(config, view, operation, operation.reload, operation.kept)
    port = await server.start()
    try:
        yield Doors(path, port, operation, knowledge, streams)
    finally:
        await server.stop()


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with opened(tmp_path / "admin.sock") as doors:
        yield doors


CHANGES = [
    ("/api/v1/pause", {"source": "dc1"}, ("pause", "dc1")),
    ("/api/v1/pause", {}, ("pause", None)),
    ("/api/v1/resume", {"source": "dc1"}, ("resume", "dc1")),
    ("/api/v1/resume", None, ("resume", None)),
    ("/api/v1/drain", {"target": "web", "seconds": 90}, ("drain", "web", 90.0)),
    ("/api/v1/drain", {"target": "10.0.0.1:80"}, ("drain", "10.0.0.1:80", 3600.0)),
    ("/api/v1/undrain", {"target": "web"}, ("undrain", "web")),
    ("/api/v1/guard/release", {"source": "dc1"}, ("release", "dc1")),
]


@pytest.mark.parametrize(("path", "body", "asked"), CHANGES)
async def test_changes_come_in_with_who_asked(doors: Doors, path: str, body: object, asked: tuple[object, ...]) -> None:
    status, answer = await doors.local("POST", path, body)

    assert (status, answer) == (200, {"message": "done", "warnings": ["mind the gap"]})
    ((*verb, who),) = doors.operation.asked
    assert tuple(verb) == asked
    peer = Peer(os.getpid(), os.getuid(), os.getgid())
    assert (who.pid, who.uid, who.gid, who.user) == (peer.pid, peer.uid, peer.gid, peer.user)  # type: ignore[attr-defined]
    assert who.door == str(doors.path)  # type: ignore[attr-defined]


async def test_who_asks_is_told_when_a_crash_would_take_it_back(doors: Doors) -> None:
    doors.operation.unwritten = "No space left on device"

    status, answer = await doors.local("POST", "/api/v1/resume", {"source": "dc1"})

    assert (status, answer["warnings"]) == (
        200,
        [
            "mind the gap",
            "this is not kept on disk, so a bridge that is killed now forgets it: No space left on device",
        ],
    )


@pytest.mark.parametrize(("path", "body", "asked"), [*CHANGES, ("/api/v1/reload", {}, ())])
async def test_nothing_is_changed_over_the_network(
    doors: Doors, path: str, body: object, asked: tuple[object, ...]
) -> None:
    status, answer = await doors.network("POST", path, body)

    assert status == 403, asked
    assert answer == {"error": "nothing is changed over the network; use the unix socket (admin.socket)"}
    assert doors.operation.asked == []


@pytest.mark.parametrize(("body", "accept_loss"), [(None, False), ({"accept_loss": True}, True)])
async def test_a_reload_is_asked_for_by_who_asks_and_answered_when_it_is_done(
    doors: Doors, body: object, accept_loss: bool
) -> None:
    answer = await doors.local("POST", "/api/v1/reload", body)

    assert answer == (200, {"message": "reloaded", "warnings": []})
    who = Who(Peer(os.getpid(), os.getuid(), os.getgid()).user, os.getuid(), os.getgid(), os.getpid(), str(doors.path))
    assert doors.operation.asked == [("reload", str(who), accept_loss)]


async def test_a_reload_that_is_refused_says_why_and_what_would_be_lost(doors: Doors) -> None:
    losses = ("the view default would lose 1 of 1 clusters and 0 of 0 endpoints:", "  web")
    doors.operation.outcome = ReloadOutcome(5.0, ok=False, by="anna", error="too much", losses=losses)

    assert await doors.local("POST", "/api/v1/reload") == (409, {"error": "too much", "losses": list(losses)})


@pytest.mark.parametrize("path", ["/api/v1/pause", "/api/v1/drain", "/api/v1/guard/release", "/api/v1/reload"])
async def test_looking_changes_nothing(doors: Doors, path: str) -> None:
    assert (await doors.local("GET", path))[0] == 405
    assert (await doors.network("GET", path))[0] == 405


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/api/v1/pause", {"sourec": "dc1"}, "sourec: Extra inputs are not permitted"),
        ("/api/v1/pause", {"source": 5}, "source: Input should be a valid string"),
        ("/api/v1/pause", ["dc1"], "the body: Input should be an object"),
        ("/api/v1/drain", {}, "target: Field required"),
        ("/api/v1/drain", {"target": "web", "seconds": 0}, "seconds: Input should be greater than 0"),
        ("/api/v1/drain", {"target": "web", "seconds": "1h"}, "seconds: Input should be a valid number"),
        ("/api/v1/drain", {"target": "web", "seconds": 1e300}, "seconds: Input should be less than or equal to"),
        ("/api/v1/guard/release", {}, "source: Field required"),
        ("/api/v1/reload", {"accept_loss": "yes"}, "accept_loss: Input should be a valid boolean"),
    ],
)
async def test_bodies_that_say_something_else_are_refused(doors: Doors, path: str, body: object, reason: str) -> None:
    status, answer = await doors.local("POST", path, body)

    assert status == 400
    assert str(answer["error"]).startswith(reason)
    assert doors.operation.asked == []


@pytest.mark.parametrize(("failure", "status"), [(UnknownError("no such"), 404), (NothingToDoError("not held"), 409)])
async def test_what_cannot_be_done_has_a_status_and_a_reason(doors: Doors, failure: Exception, status: int) -> None:
    doors.operation.failure = failure

    assert await doors.local("POST", "/api/v1/pause", {}) == (status, {"error": str(failure)})


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/sources", "/api/v1/guard", "/readyz", "/livez"])
async def test_everything_can_be_seen_through_it(doors: Doors, path: str) -> None:
    local, network = await doors.local("GET", path), await doors.network("GET", path)

    assert local[0] == network[0] == 200
    assert local == network


async def test_operators_see_what_they_have_changed(doors: Doors) -> None:
    doors.operation.paused_sources = {DC1: Pause(DC1, 5.0, "anna")}
    doors.operation.drained = (Drain(EndpointKey("fd00::1", 80), 9.0, "uid 7"), Drain(ServiceName("web"), 8.0, "anna"))
    doors.operation.aged = frozenset({LOCAL})
    hold = Hold(DC1, Reason.LOSS, "", 3.0, 2, (ServiceName("web"),))
    doors.knowledge.held = (hold,)
    endpoint = ServedEndpoint(Endpoint("10.0.0.1", 80, Health.DRAINING), (ORIGIN,), reported=Health.HEALTHY)
    doors.knowledge.put(Service(ServiceName("web"), (endpoint,)))

    _, status = await doors.local("GET", "/api/v1/status")
    _, sources = await doors.local("GET", "/api/v1/sources")
    _, guard = await doors.local("GET", "/api/v1/guard")
    _, service = await doors.local("GET", "/api/v1/services/web")

    assert status["paused"] == [{"source": "dc1", "since": 5.0, "by": "anna"}]
    assert status["drains"] == [
        {"target": "[fd00::1]:80", "until": 9.0, "by": "uid 7"},
        {"target": "web", "until": 8.0, "by": "anna"},
    ]
    assert [each["paused"] for each in _list(sources["sources"])] == [{"since": 5.0, "by": "anna", "reported": 7}, None]
    assert guard["too_old"] == ["local"]
    assert [each["reason"] for each in _list(guard["held"])] == ["loss"]
    assert [(each["health"], each["reported_health"]) for each in _list(service["endpoints"])] == [
        ("draining", "healthy")
    ]


def _list(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return value


async def test_its_file_is_for_its_owner_and_the_group_that_was_named(tmp_path: Path) -> None:
    path, group = tmp_path / "admin.sock", os.getgroups()[-1] if os.getuid() else 4242
    before = os.umask(0)
    try:
        async with opened(path, str(group)):
            found = path.stat()
    finally:
        os.umask(before)

    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o660
    assert (found.st_uid, found.st_gid) == (os.getuid(), group)
    assert not path.exists()


def test_nobody_can_connect_before_the_file_is_as_it_shall_be(tmp_path: Path) -> None:
    with (
        bind(tmp_path / "admin.sock", None),
        socket.socket(socket.AF_UNIX) as early,
        pytest.raises(ConnectionRefusedError),
    ):
        early.connect(str(tmp_path / "admin.sock"))


async def test_the_socket_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async with opened(path) as doors:
        status, _ = await doors.local("GET", "/livez")

    assert status == 200


async def test_a_socket_in_use_is_an_error_and_stays_in_use(doors: Doors) -> None:
    with pytest.raises(OSError, match=r"admin\.sock for administration: a running process does; stop it"):
        async with opened(doors.path):
            pass

    assert (await doors.local("GET", "/livez"))[0] == 200


async def test_paths_that_cannot_be_listened_on_are_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")

    for path, reason in (
        (tmp_path / ("x" * 120), "107 at most"),
        (tmp_path / "file", "no socket is there"),
        (tmp_path / "none" / "admin.sock", "No such file or directory"),
    ):
        with pytest.raises(OSError, match=f"cannot listen on {path} for administration: .*{reason}"):
            async with opened(path):
                pass

    assert (tmp_path / "file").read_text() == "precious"


async def test_a_group_that_does_not_exist_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"admin\.socket_group: there is no group 'nobody-at-all' on this machine"):
        async with opened(tmp_path / "admin.sock", "nobody-at-all"):
            pass


def test_a_user_without_a_name_is_called_by_number() -> None:
    assert Peer(1, 4_000_000, 1).user == "uid 4000000"


async def test_neither_an_operator_nor_a_scrape_waits_for_long_answers(tmp_path: Path) -> None:
    looking, enough = list[int](), threading.Event()

    class Slow(StreamStatus):
        @property
        def client(self) -> tuple[str, str]:
            looking.append(1)
            enough.wait()
            return super().client

    slow = Slow(id=1, node=None, peer="peer", transport="sotw", aggregated=True, age=1.0, types=())
    async with opened(tmp_path / "admin.sock") as doors, asyncio.timeout(10), aiohttp.ClientSession() as session:
        doors.streams.connected = [slow]
        long = [asyncio.create_task(doors.network("GET", "/api/v1/status")) for _ in range(4)]
        try:
            await eventually(lambda: len(looking) == 2)
            status, _ = await doors.local("POST", "/api/v1/pause", {"source": "dc1"})
            async with session.get(f"http://127.0.0.1:{doors.port}/metrics") as scraped:
                answered = scraped.status, status
        finally:
            enough.set()
        await asyncio.gather(*long)

    assert answered == (200, 200)
