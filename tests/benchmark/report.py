"""What the benchmark says: tables for a terminal and for RESULTS.md, and what they were measured with."""

import datetime as dt
import importlib.metadata
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

from benchmark.result import Result, Storm, Touch
from benchmark.server import REPOSITORY, Side
from benchmark.target import Results, Verdict

RESULTS = Path(__file__).with_name("RESULTS.md")

PROFILE = Path(__file__).with_name("profile.md")
"""Where the time and the memory go: written by hand, and the last part of the results."""

GO_PACKAGES = REPOSITORY / ".cache" / "go" / "forky" / ".packages"
NAMED = {
    "golang-1.27-go": "Go",
    "golang-google-grpc-dev": "grpc-go",
    "golang-github-envoyproxy-go-control-plane-dev": "go-control-plane",
}
PYTHON_PACKAGES = ("grpcio", "xds-bridge")

Row = Sequence[str]
T = TypeVar("T")


def targets(verdicts: Sequence[Verdict]) -> Iterator[Row]:
    """One row for each target, after a heading."""
    yield ("what", "bridge", "against", "", "ratio", "at most", "met")
    for verdict in verdicts:
        target = verdict.target
        measured = f"{number(verdict.value)} {target.unit}"
        met = "yes" if verdict.met else "**no**"
        if target.baseline is None or verdict.baseline is None:
            yield (target.title, measured, "", "", "", f"{number(target.at_most)} {target.unit}", met)
            continue
        key = target.baseline.key
        against = key.case if key.side is Side.BRIDGE else key.side.called
        baseline = f"{number(verdict.baseline)} {target.unit}"
        yield (target.title, measured, against, baseline, f"{verdict.judged:.3f}×", f"{target.at_most:g}×", met)


STORM: dict[str, Callable[[Storm], float]] = {
    "all warm, ms": lambda storm: storm.all_warm_ms,
    "CPU of that, s": lambda storm: storm.server_cpu_s,
}
TOUCH: dict[str, Callable[[Touch], float]] = {
    "change p50, ms": lambda touch: touch.update_ms.p50,
    "p99, ms": lambda touch: touch.update_ms.p99,
    "max, ms": lambda touch: touch.update_ms.max,
    "last Envoy p50, ms": lambda touch: touch.all_streams_ms.p50,
    "CPU per change, ms": lambda touch: touch.server_cpu_ms_per_touch,
    "messages": lambda touch: touch.messages_per_stream_and_touch,
    "bytes": lambda touch: touch.bytes_per_stream_and_touch,
}
RUN: dict[str, Callable[[Result], float]] = {
    "memory before, MiB": lambda run: run.rss_mb.before,
    "warm, MiB": lambda run: run.rss_mb.warm,
    "peak, MiB": lambda run: run.rss_mb.peak,
    "other CPU": lambda run: run.disturbance,
}


def figures(results: Results) -> Iterator[Row]:
    """One row for each server in each case, after a heading: medians of its runs."""
    yield ("case", "server", "runs", *STORM, *TOUCH, *RUN)
    for key, runs in results.items():
        storms = [run.storm for run in runs if run.storm]
        touches = [touch for run in runs if (touch := run.touch or run.steady)]
        cells = (*_medians(storms, STORM), *_medians(touches, TOUCH), *_medians(runs, RUN))
        yield (key.case, key.side.called, str(len(runs)), *cells)


def _medians(measured: Sequence[T], columns: Mapping[str, Callable[[T], float]]) -> Iterator[str]:
    for column in columns.values():
        yield number(median(map(column, measured))) if measured else ""


def number(value: float) -> str:
    """Three digits that mean something, or all before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def table(rows: Iterator[Row]) -> str:
    """A table in Markdown, aligned for a terminal too; empty when there is nothing but a heading."""
    heading, *body = rows
    if not body:
        return ""
    widths = [max(len(row[column]) for row in (heading, *body)) for column in range(len(heading))]
    lines = [_line(heading, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    return "\n".join([*lines, *(_line(row, widths) for row in body)])


def _line(row: Row, widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def write(results: Results, verdicts: Sequence[Verdict], command: str, path: Path = RESULTS) -> None:
    """Write RESULTS.md anew."""
    path.write_text(document(results, verdicts, command))


def document(results: Results, verdicts: Sequence[Verdict], command: str) -> str:
    """RESULTS.md: what came out, and all that is needed to see it again."""
    parts = [
        "# Results of the xDS benchmark",
        f"Written by `{command}` on {dt.datetime.now(dt.UTC):%Y-%m-%d}; edit {PROFILE.name} alone, the last part.",
        f"Machine: {machine()}.\n\nVersions: {versions()}.",
        EXPLANATION,
        "## Targets",
        table(targets(verdicts)),
        "## Figures",
        table(figures(results)),
        PROFILE.read_text().rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


EXPLANATION = """\
Server and load client share the machine. Each run has a fresh server; the runs of the servers that are compared take
turns, and a figure is the median of its runs. Unless a row says otherwise there are 1,000 clusters of 10 endpoints and
1,000 Envoys, each with a connection of its own. A change is one endpoint of one cluster; its time counts from before
the call that makes it until an Envoy has received it, over all Envoys and changes. CPU is that of the server, user and
system. Bytes are those that came through the sockets, per Envoy and change. "Other CPU" is what everything else on the
machine used in the worst phase, as a share of server and client: where it is large, mistrust the times."""


def machine() -> str:
    """Processor, cores, memory, and kernel."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = model[1] if model else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}"


def versions() -> str:
    """Of what took part."""
    python = [f"Python {platform.python_version()}"]
    python += [f"{name} {importlib.metadata.version(name)}" for name in PYTHON_PACKAGES]
    lines = GO_PACKAGES.read_text().splitlines() if GO_PACKAGES.exists() else []
    go = [f"{NAMED[name]} {version}" for name, version in (line.split(" ", 1) for line in lines) if name in NAMED]
    return ", ".join([*python, *go])


def disturbed(results: Results, limit: float = 0.1) -> list[str]:
    """Where something else on the machine used more than this share of what was measured."""
    return [
        f"{key.case} ({key.side.called})"
        for key, runs in results.items()
        if any(run.disturbance > limit for run in runs)
    ]
