"""Targets are judged by medians and by ratios, and only where everything was measured."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from benchmark import report
from benchmark.case import CASES, EMPTY, Key
from benchmark.result import Control, Cost, Distribution, Memory, Result, Storm, Touch
from benchmark.server import Side
from benchmark.target import PEERS, TARGETS, Figure, Target, Verdict, judge

MEMORY = Memory(before=50, warm=80, after=80, peak=90)


def run(*, cpu: float = 100, before: float = 50) -> Result:
    spread = Distribution(p50=5, p99=10, max=20)
    touch = Touch(
        seconds=4,
        server_cpu_s=2,
        client_cpu_s=1,
        other_cpu_s=0,
        touches=20,
        update_ms=spread,
        all_streams_ms=spread,
        messages_per_stream_and_touch=1,
        bytes_per_stream_and_touch=512,
        server_cpu_ms_per_touch=cpu,
    )
    return Result(
        streams=1000,
        clusters=1000,
        touch=touch,
        storm=Storm(seconds=1, server_cpu_s=1, client_cpu_s=1, other_cpu_s=0, all_warm_ms=900, stream_ms=spread),
        rss_mb=MEMORY.model_copy(update={"before": before}),
        consistent=True,
        errors=None,
    )


def verdict(title: str, verdicts: list[Verdict]) -> list[Verdict]:
    return [each for each in verdicts if each.target.title.startswith(title)]


def test_a_ratio_is_that_of_medians() -> None:
    bridge = [run(cpu=cpu) for cpu in (10, 20, 900)]
    peers = {Key("sotw", peer): [run(cpu=100)] for peer in PEERS}

    snapshot, linear = verdict("one endpoint changes, sotw: CPU", judge({Key("sotw"): bridge, **peers}))

    assert (snapshot.judged, snapshot.met) == (0.2, False)
    assert (linear.judged, linear.met) == (0.2, True)


def test_what_was_not_measured_is_not_judged() -> None:
    assert judge({}) == []
    assert verdict("one endpoint changes, sotw: CPU", judge({Key("sotw"): [run()]})) == []


def test_an_endpoint_takes_what_a_full_server_has_more_than_an_empty_one() -> None:
    results = {Key("sotw"): [run(before=60)], Key(EMPTY.name): [run(before=50)]}

    (endpoint,) = verdict("one endpoint, without", judge(results))

    assert endpoint.value == pytest.approx(10 * 1024 / 10_000)
    assert endpoint.met


def test_every_target_is_about_cases_that_are_run() -> None:
    run_by = {Key(case.name, side) for case in CASES for side in case.sides}
    figures = [figure for target in TARGETS for figure in (target.figure, target.baseline)]

    assert {figure.key for figure in figures if isinstance(figure, Figure)} <= run_by


def test_a_missed_target_is_said_in_the_table() -> None:
    figure = Figure(Key("sotw"), lambda _: 0.0)
    target = Target("something", "ms", figure, 0.5, Figure(Key("sotw", Side.LINEAR), lambda _: 0.0))

    rows = report.table(report.targets([Verdict(target, 30, 40), Verdict(target, 10, 40)])).splitlines()

    assert [cell.strip() for cell in rows[2].split("|")][1:-1] == [
        "something", "30.0 ms", "LinearCache", "40.0 ms", "0.750×", "0.5×", "**no**",
    ]  # fmt: skip
    assert rows[3].endswith("| yes    |")


def test_the_results_file_tells_how_and_with_what_it_was_made() -> None:
    text = report.document({Key("sotw"): [run()]}, [], "bench_xds.py --write")

    assert "`bench_xds.py --write`" in text
    assert "Python 3." in text
    assert "| sotw | bridge | 1    | 900" in text
    assert text.endswith(report.PROFILE.read_text())


@pytest.mark.parametrize("model", [Distribution, Cost, Storm, Control, Touch, Memory, Result])
def test_the_load_client_prints_every_field_that_is_read(model: type[BaseModel], repository: Path) -> None:
    printed = re.findall(r'`json:"(\w+)', (repository / "tests/benchmark/load/report.go").read_text())

    assert set(model.model_fields) <= set(printed)
