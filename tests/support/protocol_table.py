"""Prints at the end of a run which rules of the protocol were proved over which transport.

With `--collect-only` it prints how many scenarios each has; that is how the suite checks that none is without.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import pytest

from support.protocol import COLUMNS, NONE, RULES, Rule

_PROPERTY = "protocol"
"""Under this name a scenario's reports, which may come from another process, carry what it proves: `rule column`."""

_TITLE, _CELL = 64, 15

Cells = dict[str, list[str]]
"""Outcomes by `rule column`."""


class ProtocolTable:
    """A pytest plugin."""

    def __init__(self) -> None:
        self._scenarios: Cells = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Have each scenario's reports say what it proves."""
        for item in items:
            for proof in _proofs(item):
                item.user_properties.append((_PROPERTY, proof))
                self._scenarios[proof].append("collected")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Print the table of the rules that were concerned."""
        planned: object = config.getoption("collectonly")
        cells = self._scenarios if planned else _outcomes(terminalreporter.stats)
        if cells:
            terminalreporter.section("xDS protocol: rule × transport")
            for line in lines(cells):
                terminalreporter.write_line(line)


def lines(cells: Cells, rules: Mapping[int | str, Rule] = RULES) -> Iterator[str]:
    """The table. What a part of the suite does not touch is left out of it."""
    yield f"{'':{_TITLE}}" + "".join(f"{column:{_CELL}}" for column in COLUMNS).rstrip()
    touched = {proof.partition(" ")[0] for proof in cells}
    whole = touched >= {str(number) for number, rule in rules.items() if rule.over != NONE}
    for number, rule in rules.items():
        if str(number) in touched or (whole and rule.by):
            yield f"{number!s:>3} {rule.title}".ljust(_TITLE) + _row(number, rule, cells)


def _row(number: int | str, rule: Rule, cells: Cells) -> str:
    if rule.over == NONE:
        return "by " + f"\n{'':{_TITLE}}   ".join(rule.by)
    cell = {column: _cell(rule, column, cells.get(f"{number} {column}", [])) for column in COLUMNS}
    return "".join(f"{cell[column]:{_CELL}}" for column in COLUMNS).rstrip()


def _cell(rule: Rule, column: str, outcomes: list[str]) -> str:
    if column not in rule.over:
        return "–"
    if "collected" in outcomes:
        return str(len(outcomes))
    if not outcomes:
        return "not run"
    return "pass" if set(outcomes) == {"passed"} else "FAIL"


def _outcomes(stats: Mapping[str, Iterable[object]]) -> Cells:
    cells: Cells = defaultdict(list)
    for outcome, reports in stats.items():
        for report in reports:
            if outcome and isinstance(report, pytest.TestReport):  # without a name: set-up and teardown that passed
                for name, proof in report.user_properties:
                    if name == _PROPERTY:
                        cells[str(proof)].append(outcome)
    return cells


def _proofs(item: pytest.Item) -> list[str]:
    """What a scenario proves, over its transport; over all, if it uses none."""
    callspec = getattr(item, "callspec", None)
    transport = callspec.params.get("transport") if callspec else None
    columns = COLUMNS if transport is None else (str(transport),)
    return [f"{rule} {column}" for mark in item.iter_markers("item") for rule in mark.args for column in columns]
