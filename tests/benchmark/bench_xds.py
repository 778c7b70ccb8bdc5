"""The xDS server under load, beside go-control-plane with the same content, on the same machine in the same run.

    PYTHONPATH=tests python tests/benchmark/bench_xds.py [--case sotw …] [--runs 3] [--quick] [--write]

Prints the figures, their ratios to those of the peer, and whether the targets are met; exits with 1 when one is not.
With `--profile FOLDER` the bridge runs alone, watched by py-spy, whose own work makes the figures worthless.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark import report
from benchmark.case import CASES, Case, Key
from benchmark.result import Result
from benchmark.server import BINARIES, Side, serving
from benchmark.target import judge


class RunError(Exception):
    """A run that does not count: an Envoy failed, missed a change, or ended with another content than the others."""


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and judge; returns the exit code."""
    options = _options(arguments)
    results: dict[Key, list[Result]] = {}
    failed = False
    for case, side, number in _plan(_cases(options), options.runs, peers=not options.profile):
        print(f"{case.name}, {side.called}, run {number}", file=sys.stderr, flush=True)
        profile = options.profile / f"{case.name}-{number}.json" if options.profile else None
        try:
            result = run(case, side, profile)
            results.setdefault(Key(case.name, side), []).append(result)
        except RunError as error:
            failed = True
            print(f"{case.name}, {side.called}: {error}", flush=True)
    verdicts = judge(results)
    print(report.table(report.figures(results)), report.table(report.targets(verdicts)), sep="\n\n")
    if disturbed := report.disturbed(results):
        print(f"\nSomething else used the machine, so mistrust the times of: {', '.join(disturbed)}")
    if options.write:
        report.write(results, verdicts, " ".join(["bench_xds.py", *arguments]))
    return int(failed or not all(verdict.met for verdict in verdicts))


def run(case: Case, side: Side, profile: Path | None = None) -> Result:
    """Put the load on a fresh server.

    Raises:
        RunError: the run does not count.
    """
    with serving(side, case.content, profile) as server:
        where = ["-xds", server.xds, "-pid", str(server.pid), "-touch", server.touch]
        load = subprocess.run([BINARIES / "load", *where, *case.flags()], capture_output=True, text=True, check=False)
        if not load.stdout:
            raise RunError(load.stderr.strip())
        result = Result.model_validate_json(load.stdout)
        if result.errors or not result.consistent:
            trouble = "; ".join(result.errors or ["the Envoys ended with different contents"])
            raise RunError(f"{trouble}{_complaints(server.log)}")
    return result


def _complaints(log: Path) -> str:
    """The last of what a server wrote, without what the bridge says on a normal day."""
    lines = [line for line in log.read_text().splitlines() if '"level": "info"' not in line]
    return "".join(f"\n  {line}" for line in lines[-20:])


def _plan(cases: Sequence[Case], runs: int, *, peers: bool) -> Iterator[tuple[Case, Side, int]]:
    """What runs after what: servers that are compared take turns, so that a change of the machine meets them all."""
    for case in cases:
        for number in range(1, 2 if case.once else runs + 1):
            for side in case.sides:
                if peers or side is Side.BRIDGE:
                    yield case, side, number


def _cases(options: argparse.Namespace) -> list[Case]:
    chosen = [case for case in CASES if not options.case or case.name in options.case]
    return [case.quick() for case in chosen] if options.quick else chosen


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="one alone, or several")
    parser.add_argument("--runs", type=int, default=3, help="of each server in each case")
    parser.add_argument("--quick", action="store_true", help="one run with few changes, to see that all works")
    parser.add_argument("--write", action="store_true", help=f"write {report.RESULTS.name} too")
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="write profiles of the bridge (speedscope) there"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the server of the moment too
    sys.exit(main(sys.argv[1:]))
