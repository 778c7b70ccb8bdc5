"""What a health check costs: `xds-bridge-health` started, asking a server that answers at once, and ended.

It is judged by its ratio to `python -c pass`, measured in turn with it: what a machine is doing besides slows both.

    PYTHONPATH=tests python tests/benchmark/bench_health.py [--rounds 40]
"""

import argparse
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

MOST = 1.5
"""Times what starting Python takes, at most."""

NOTHING = ("-c", "pass")
PROBE = ("-c", "import sys; from bridge.probe import main; sys.exit(main())")
"""As the command that pip installs; an older pip imports `re` in it, which takes longer than all the rest."""


def main(rounds: int) -> int:
    """Measure and print; 1 if it takes too much."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=answer, args=(listener,), daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    costs = [(cost(NOTHING), cost((*PROBE, "--admin", url))) for _ in range(rounds)]
    nothing, probe = ([round_[index] for round_ in costs] for index in (0, 1))
    print(f"median of {rounds} starts, ms{'':>9}{'CPU':>8}{'time':>8}{'fastest':>9}")
    for name, measured in (("python -c pass", nothing), ("xds-bridge-health", probe)):
        walls = [wall for _, wall in measured]
        cpu = median(cpu for cpu, _ in measured)
        print(f"{name:<30}{cpu * 1e3:>8.1f}{median(walls) * 1e3:>8.1f}{min(walls) * 1e3:>9.1f}")
    ratio = median(one[0] for one in probe) / median(one[0] for one in nothing)
    print(f"ratio of CPU {ratio:.2f}, at most {MOST}")
    return int(ratio > MOST)


def cost(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds of processor time, and seconds, of one process of Python."""
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")])),
    }
    start = time.perf_counter()
    process = os.posix_spawn(sys.executable, [sys.executable, *arguments], environ)
    _, status, usage = os.wait4(process, 0)
    assert status == 0, "it does not answer"
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


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
