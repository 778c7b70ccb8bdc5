"""`xds-bridge demo` as a person runs it: a process, with the real bridge, Envoy and Consul as its children."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
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


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path / "demo")
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


def test_the_story_goes_on_without_consul(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", "--once", "--consul", "none")

    assert demo.process.wait(TIMEOUT) == 0, demo.text
    assert "steps with Consul are left out" in demo.text


def test_an_edit_of_the_file_is_told_with_its_latency(demo: Demo) -> None:
    (spare,) = re.findall(r"four +(127\.0\.0\.1:(\d+))", demo.text)

    with (demo.directory / "endpoints.yaml").open("a") as endpoints:
        endpoints.write(f"    - {{address: 127.0.0.1, port: {spare[1]}}}\n")

    demo.wait_for(rf"web: \+ {spare[0]} healthy  [\d.]+ m?s after the file changed")


def test_a_deregistration_is_told_with_its_latency(demo: Demo) -> None:
    url = re.search(r"curl -X PUT (http://\S+/deregister/five)", demo.text)
    assert url

    with urllib.request.urlopen(urllib.request.Request(url[1], method="PUT")) as answer:
        assert answer.status == 200

    demo.wait_for(r"web: - 127\.0\.0\.1:\d+ \(was healthy\)  [\d.]+ m?s after Consul said so")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_all_it_started(demo: Demo, number: signal.Signals) -> None:
    children = demo.children()

    status = demo.end(number)

    assert status == 0, demo.text
    assert children.keys() == {"bridge", "envoy", "consul"}
    assert [name for name, pid in children.items() if _alive(pid)] == []


def test_a_child_that_dies_is_reported_and_the_rest_ends(demo: Demo) -> None:
    children = demo.children()

    os.kill(children["envoy"], signal.SIGKILL)
    status = demo.process.wait(TIMEOUT)

    assert status != 0
    assert re.search(r"✗ envoy was killed by SIGKILL; its log, \S+envoy\.log", demo.text), demo.text
    assert [name for name, pid in children.items() if _alive(pid)] == []


def test_it_starts_while_its_usual_ports_are_taken(demo: Demo, tmp_path: Path) -> None:
    second = Demo(tmp_path / "second", "--once")

    assert second.process.wait(TIMEOUT) == 0, second.text
