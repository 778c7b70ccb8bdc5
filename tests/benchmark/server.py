"""The control planes that are compared, each a fresh process with the same content: the bridge, and go-control-plane.

    PYTHONPATH=tests python -m benchmark.server bridge --clusters 1000 --endpoints 10

runs one of them until Ctrl-C, and says how to reach it.
"""

import argparse
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.request import urlopen

from benchmark import synthetic
from bridge.plugins import GROUP
from support.ports import free_port

TESTS = Path(__file__).parents[1]
REPOSITORY = TESTS.parent
BINARIES = REPOSITORY / ".cache" / "bench"
"""Where `scripts.golang` puts the Go programs."""

DEADLINE = 60.0


class Side(StrEnum):
    """Who serves: the bridge, or go-control-plane with one of its caches."""

    BRIDGE = "bridge"
    SNAPSHOT = "snapshot"
    LINEAR = "linear"

    @property
    def called(self) -> str:
        """What a reader calls it."""
        return {Side.SNAPSHOT: "SnapshotCache", Side.LINEAR: "LinearCache"}.get(self, str(self))


@dataclass(frozen=True, slots=True)
class Content:
    """How much there is to serve."""

    clusters: int
    endpoints: int
    """Of each cluster."""


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs and has everything to serve."""

    pid: int
    xds: str
    touch: str
    """URL of a change, with `{i}` for the number of the cluster."""
    log: Path


@contextlib.contextmanager
def serving(side: Side, content: Content, profile: Path | None = None) -> Iterator[Server]:
    """A server that lives as long as the context.

    Args:
        side: who serves.
        content: how much.
        profile: where py-spy writes a profile of the bridge (speedscope), when it is to be watched.
    """
    _allow_files()
    with tempfile.TemporaryDirectory(prefix="xds-bench-") as folder:
        xds, touch, admin = free_port(), free_port(), free_port()
        environment = dict(os.environ)
        if side is Side.BRIDGE:
            command = _bridge(Path(folder), content, xds, touch, admin)
            environment["PYTHONPATH"] = os.pathsep.join([folder, str(TESTS), os.environ.get("PYTHONPATH", "")])
        else:
            command = _peer(side, content, xds, touch)
        if profile:
            command = _watched(command, profile)
        log = Path(folder) / "log"
        with (
            log.open("w") as output,
            subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process,
        ):
            try:
                _wait(process, xds, admin if side is Side.BRIDGE else None, log)
                yield Server(process.pid, f"127.0.0.1:{xds}", f"http://127.0.0.1:{touch}/touch?i={{i}}", log)
            finally:
                _end(process, signal.SIGINT if profile else signal.SIGTERM)


def _allow_files() -> None:
    """A connection is a file, and a thousand Envoys are more than most shells allow; children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _bridge(folder: Path, content: Content, xds: int, touch: int, admin: int) -> list[str]:
    register(folder)
    source = {"name": "memory", "type": synthetic.TYPE, "touch_port": touch}
    config = {
        "xds": {"listen": f"127.0.0.1:{xds}"},
        "admin": {"listen": f"127.0.0.1:{admin}"},
        "sources": [{**source, "clusters": content.clusters, "endpoints": content.endpoints}],
    }
    (folder / "bridge.yaml").write_text(json.dumps(config))
    return [sys.executable, "-m", "bridge", "run", "--config", str(folder / "bridge.yaml")]


def register(folder: Path) -> None:
    """Make a folder in which Python, having it on its path, finds the synthetic source like an installed adapter."""
    metadata = folder / "synthetic_source-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: synthetic-source\nVersion: 0\n")
    entry = f"{synthetic.TYPE} = {synthetic.__name__}:{synthetic.SyntheticAdapter.__name__}"
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{entry}\n")


def _watched(command: Sequence[str], profile: Path) -> list[str]:
    profile.parent.mkdir(parents=True, exist_ok=True)
    spy = Path(sys.executable).with_name("py-spy")
    return [str(spy), "record", "--output", str(profile), "--format", "speedscope", "--", *command]


def _peer(side: Side, content: Content, xds: int, touch: int) -> list[str]:
    addresses = ["-xds", f"127.0.0.1:{xds}", "-touch", f"127.0.0.1:{touch}"]
    size = ["-clusters", str(content.clusters), "-endpoints", str(content.endpoints)]
    return [str(BINARIES / "peer"), "-cache", side, *addresses, *size]


def _wait(process: subprocess.Popen[bytes], xds: int, admin: int | None, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not (_listens(xds) if admin is None else _ready(admin)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ready(admin: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # refused, or too slow to answer for now
        return False


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", type=Side, choices=list(Side))
    parser.add_argument("--clusters", type=int, default=1000)
    parser.add_argument("--endpoints", type=int, default=10)
    parser.add_argument("--profile", type=Path, help="have py-spy write a profile there")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the server too
    with serving(options.side, Content(options.clusters, options.endpoints), options.profile) as server:
        print(f"-pid {server.pid} -xds {server.xds} -touch '{server.touch}'", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                signal.pause()


if __name__ == "__main__":
    main()
