"""What a health check costs: `xds-bridge-health` started, asking a server that answers at once, and ended.

It asks by a URL and by a unix socket, and is measured in turn with `python -c pass`, so that what a machine is doing
besides slows all. Judged are the fastest start, which the machine disturbed least, and the ratio of processor times.

    PYTHONPATH=tests python tests/benchmark/bench_health.py [--rounds 40]
"""

import argparse
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmark.budget import Budget, judged

MOST = 50.0
"""Milliseconds from the start to the end, at most."""

RATIO = 1.5
"""Times the processor time of starting Python, at most."""

BASELINE, NOTHING = "python -c pass", ("-c", "pass")
PROBE = ("-c", "import sys; from bridge.probe import main; sys.exit(main())")
"""As the command that pip installs; an older pip imports `re` in it, which takes longer than all the rest."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process, in milliseconds."""

    cpu: float
    wall: float


def main(rounds: int) -> int:
    """Measure and print; 1 if it takes too much."""
    with tempfile.TemporaryDirectory() as folder:
        url, path = answering(folder)
        probes = {"by a URL": (*PROBE, "--admin", url), "by a unix socket": (*PROBE, "--socket", path)}
        commands = {BASELINE: NOTHING, **{f"xds-bridge-health {how}": probe for how, probe in probes.items()}}
        turns = [{name: cost(command) for name, command in commands.items()} for _ in range(rounds)]
    costs = {name: [turn[name] for turn in turns] for name in commands}
    print(f"of {rounds} starts, ms; ratios to {BASELINE}")
    print(f"{'':<40}{'CPU':>8}{'ratio':>7}{'time':>8}{'ratio':>7}{'fastest':>9}{'ratio':>7}")
    for name in costs:
        print(f"{name:<40}" + "".join(f"{value:>{width}.{digits}f}" for value, width, digits in cells(costs, name)))
    names = [name for name in costs if name != BASELINE]
    times = [Budget(f"{name}, start included, fastest", fastest(costs[name]), MOST, "ms") for name in names]
    return judged(
        [*times, *(Budget(f"{name}, CPU", cpu(costs[name]) / cpu(costs[BASELINE]), RATIO, "×") for name in names)]
    )


def cells(costs: Mapping[str, Sequence[Cost]], name: str) -> list[tuple[float, int, int]]:
    """The numbers of a row, each with its ratio to the baseline, the width of its column and its decimals."""
    found = []
    for measure, width in ((cpu, 8), (usual, 8), (fastest, 9)):
        value = measure(costs[name])
        found += [(value, width, 1), (value / measure(costs[BASELINE]), 7, 2)]
    return found


def cpu(costs: Sequence[Cost]) -> float:
    """The median of processor times."""
    return median(each.cpu for each in costs)


def usual(costs: Sequence[Cost]) -> float:
    """The median of times."""
    return median(each.wall for each in costs)


def fastest(costs: Sequence[Cost]) -> float:
    """The shortest time."""
    return min(each.wall for each in costs)


def cost(arguments: Sequence[str]) -> Cost:
    """Of one process of Python."""
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")])),
    }
    start = time.perf_counter()
    process = os.posix_spawn(sys.executable, [sys.executable, *arguments], environ)
    _, status, usage = os.wait4(process, 0)
    assert status == 0, "it does not answer"
    return Cost(1000 * (usage.ru_utime + usage.ru_stime), 1000 * (time.perf_counter() - start))


def answering(folder: str) -> tuple[str, str]:
    """Listen as a bridge does; the URL, and the path of the socket."""
    path = str(Path(folder) / "admin.sock")
    network, local = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    local.bind(path)
    local.listen()
    for listener in (network, local):
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
    return f"http://127.0.0.1:{network.getsockname()[1]}", path


def answer(listener: socket.socket) -> None:
    """Say to everybody what a bridge says that lives."""
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b'HTTP/1.0 200 OK\r\n\r\n{"alive": true}')


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    sys.exit(main(parser.parse_args().rounds))
