"""The list of rules is whole, and so is its proof: a scenario over each transport of a rule, or a test that exists."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.protocol import COLUMNS, RULES, Rule
from support.protocol_table import Cells, lines
from support.xds_client import TRANSPORTS

RULE = re.compile(r"^ *(\w+) .*?" + r" +(–|\d+|not run)" * len(COLUMNS) + "$", re.MULTILINE)


@pytest.fixture(scope="module")
def collected(repository: Path) -> str:
    """What pytest collects: the tests that rules name, and a table of the scenarios of each rule."""
    files = {test.partition("::")[0] for rule in RULES.values() for test in rule.by}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--assert=plain"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [*command, "tests/conformance/xds", *sorted(files)],
        cwd=repository,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def without_proof(rules: Mapping[int | str, Rule], collected: str) -> list[str]:
    """What is not shown of these rules."""
    scenarios = {number: counts for number, *counts in RULE.findall(collected)}
    tests = {line.partition("[")[0] for line in collected.splitlines()}
    missing = [f"{number}: no test {test}" for number, rule in rules.items() for test in rule.by if test not in tests]
    for number, rule in rules.items():
        counts = dict(zip(COLUMNS, scenarios.get(str(number), ()), strict=False))
        missing += [f"{number}: no scenario over {each}" for each in rule.over if not counts.get(each, "").isdigit()]
        if not (rule.over or rule.by):
            missing.append(f"{number}: neither scenario nor test")
    return missing


def test_every_rule_has_its_scenarios_and_its_tests(collected: str) -> None:
    assert without_proof(RULES, collected) == []


def test_a_rule_without_scenario_or_test_is_found() -> None:
    rules: dict[int | str, Rule] = {
        1: Rule("of scenarios and of a test", by=("tests/test_this.py::test_that",)),
        2: Rule("unknown to any scenario", frozenset({"sotw-ads"})),
        3: Rule("over two transports only"),
        4: Rule("of a test that does not exist", frozenset(), by=("tests/test_this.py::test_nothing",)),
        5: Rule("of nothing", frozenset()),
    }
    cells: Cells = {f"{number} {column}": ["collected"] for number, end in ((1, 4), (3, 2)) for column in COLUMNS[:end]}
    report = "\n".join(["tests/test_this.py::test_that[a parameter]", *lines(cells, rules)])

    assert sorted(without_proof(rules, report)) == [
        "2: no scenario over sotw-ads",
        "3: no scenario over delta-ads",
        "3: no scenario over delta-separate",
        "4: no test tests/test_this.py::test_nothing",
        "5: neither scenario nor test",
    ]


def test_the_list_is_whole() -> None:
    scenarios = [
        *(f"D{number}" for number in range(1, 7)),
        *(f"S{number}" for number in range(1, 10)),
        "U1",
        "U2",
        "U3",
    ]

    assert list(RULES) == [*range(1, 99), *scenarios]
    assert list(COLUMNS) == [str(transport) for transport in TRANSPORTS]
