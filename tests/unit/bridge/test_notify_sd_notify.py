import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.notify.sd_notify import ServiceManager

PROCESS = 4711


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A service manager's socket, by the name that it gives to services."""
    path = str(tmp_path / "notify")
    name, address = (path, path) if request.param == "path" else (f"@{path}", f"\0{path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(5)
        yield name, manager


def received(manager: socket.socket) -> list[str]:
    return manager.recv(65536).decode().splitlines()


def test_what_is_told_is_a_datagram_each(listening: tuple[str, socket.socket]) -> None:
    name, manager = listening
    told = ServiceManager({"NOTIFY_SOCKET": name}, PROCESS)

    told.ready("up")
    told.status("three sources")
    told.alive()
    told.extend(15)
    told.stopping()

    assert received(manager) == ["READY=1", "STATUS=up"]
    assert received(manager) == ["STATUS=three sources"]
    assert received(manager) == ["WATCHDOG=1"]
    assert received(manager) == ["EXTEND_TIMEOUT_USEC=15000000"]
    assert received(manager) == ["STOPPING=1", "STATUS=ending streams"]


def test_a_reload_comes_with_the_monotonic_clock(listening: tuple[str, socket.socket]) -> None:
    name, manager = listening

    ServiceManager({"NOTIFY_SOCKET": name}, PROCESS).reloading()

    first, second = received(manager)
    assert first == "RELOADING=1"
    key, _, microseconds = second.partition("=")
    assert key == "MONOTONIC_USEC"
    assert int(microseconds) > 0


def test_a_status_stays_one_line(listening: tuple[str, socket.socket]) -> None:
    name, manager = listening

    ServiceManager({"NOTIFY_SOCKET": name}, PROCESS).status("refused: line 1\nREADY=1\r\nü")

    assert received(manager) == ["STATUS=refused: line 1 READY=1 ü"]


def test_without_a_manager_nothing_is_said() -> None:
    told = ServiceManager({"WATCHDOG_USEC": "30000000"}, PROCESS)

    told.ready("up")

    assert told.patience is None


def test_a_manager_that_is_gone_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, PROCESS)

    told.alive()
    told.alive()

    assert [record.message for record in caplog.records] == ["manager.unreachable"]


def test_a_manager_that_does_not_read_keeps_nobody_waiting(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        told = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")}, PROCESS)

        for _ in range(10_000):  # far more than a socket keeps
            told.alive()

        assert received(manager) == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("environ", "patience"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PROCESS)}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_the_process_that_it_names(
    tmp_path: Path, environ: dict[str, str], patience: float | None
) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), **environ}, PROCESS)

    assert told.patience == patience
