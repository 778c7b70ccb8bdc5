"""`xds-bridge demo` as a person runs it: a process, with the real bridge, Envoy and Consul as its children."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

TIMEOUT = 90.0

STEPS = (
    "four is added to the file: it takes traffic",
    "one is removed from the file: it gets no traffic",
    "two is marked unhealthy",
    "three is marked draining",
    "five fails its check in Consul: unhealthy in Envoy",
    "five is deregistered: gone from Envoy",
    "five is registered again: it takes traffic",
    r"the bridge is killed and started again: 0 of [1-9]\d* requests failed",
    "Envoy follows the new bridge",
)


class Demo:
    """A running demo, its output read as it comes."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory
        self._output = directory.with_suffix(".out")
        command = [sys.executable, "-m", "bridge", "demo", "--directory", str(directory), *arguments]
        with self._output.open("wb") as output:
            self.process = _start(command, output)

    @property
    def text(self) -> str:
        return self._output.read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + TIMEOUT
        while not (found := re.search(pattern, self.text)):
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.text}"
            assert time.monotonic() < deadline, f"{pattern!r} not within {TIMEOUT} s:\n{self.text}"
            time.sleep(0.02)
        return found

    def children(self) -> dict[str, int]:
        """Process ids of its children by the name of their program."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {_program(int(pid)): int(pid) for pid in pids}

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)


def _start(command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def _program(pid: int) -> str:
    arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return "bridge" if "-m" in arguments else Path(arguments[0]).name


def _alive(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for all tests that leave it running."""
    with _running(tmp_path_factory.mktemp("module") / "demo") as running:
        yield running


@contextmanager
def _running(directory: Path) -> Iterator[Demo]:
    running = Demo(directory)
    try:
        running.wait_for("Ctrl-C ends everything")
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGTERM)


def test_the_story_is_observed_in_envoy_step_by_step(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", "--once")

    status = demo.process.wait(TIMEOUT)

    assert status == 0, demo.text
    assert "✓ requests through Envoy reach five, one, three and two" in demo.text
    assert [step for step in STEPS if not re.search(rf"✓ .*{step}.*  [\d.]+ m?s", demo.text)] == [], demo.text


def test_it_does_without_consul_and_without_the_usual_ports(demo: Demo, tmp_path: Path) -> None:
    assert demo.process.poll() is None, "the first demo holds the usual ports"

    second = Demo(tmp_path / "second", "--once", "--consul", "none")

    assert second.process.wait(TIMEOUT) == 0, second.text
    assert "steps with Consul are left out" in second.text


def test_an_edit_of_the_file_is_told_with_its_latency(demo: Demo) -> None:
    spare = demo.wait_for(r"four +(127\.0\.0\.1:(\d+))")

    with (demo.directory / "endpoints.yaml").open("a") as endpoints:
        endpoints.write(f"    - {{address: 127.0.0.1, port: {spare[2]}}}\n")

    demo.wait_for(rf"web: \+ {spare[1]} healthy  [\d.]+ m?s after the file changed")


def test_a_deregistration_is_told_with_its_latency(demo: Demo) -> None:
    backend = demo.wait_for(r"five +(127\.0\.0\.1:\d+)")
    url = demo.wait_for(r"curl -X PUT (http://\S+/deregister/five)")

    with urllib.request.urlopen(urllib.request.Request(url[1], method="PUT"), timeout=10) as answer:
        assert answer.status == 200

    demo.wait_for(rf"web: - {backend[1]} \(was healthy\)  [\d.]+ m?s after Consul said so")


def test_a_mistake_in_the_file_is_told_and_takes_nothing_away(demo: Demo) -> None:
    before = demo.text.count("web: -")

    (demo.directory / "endpoints.yaml").write_text("services: {web: [")

    demo.wait_for(r"! source local: .*endpoints\.yaml:1")
    assert demo.text.count("web: -") == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_all_it_started(tmp_path: Path, number: signal.Signals) -> None:
    with _running(tmp_path / "demo") as demo:
        children = demo.children()

        status = demo.end(number)

    assert status == 0, demo.text
    assert children.keys() == {"bridge", "envoy", "consul"}
    assert [name for name, pid in children.items() if _alive(pid)] == []


def test_a_child_that_dies_is_reported_and_the_rest_ends(tmp_path: Path) -> None:
    with _running(tmp_path / "demo") as demo:
        children = demo.children()

        os.kill(children["envoy"], signal.SIGKILL)
        status = demo.process.wait(TIMEOUT)

    assert status != 0
    assert re.search(r"✗ envoy was killed by SIGKILL; its log, \S+envoy\.log", demo.text), demo.text
    assert [name for name, pid in children.items() if _alive(pid)] == []
