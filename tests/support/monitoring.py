"""The alerts as they are written, and their expressions taken apart."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

_SETS = re.compile(r"\n(?:and|or|unless)(?: (?:on|ignoring) \([^)]*\))?\n")
"""Between operands, each on lines of its own."""
_COMPARISON = re.compile(r" (?:==|!=|<=|>=|<|>) [0-9.e]+(?: \* [0-9]+)?")
_NAME = re.compile(r"\b(?:(?:xds_bridge|process|python)_\w+|up)\b")


@dataclass(frozen=True)
class Alert:
    """One rule."""

    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def alerts(repository: Path) -> Iterator[Alert]:
    """All of them."""
    content = YAML(typ="safe").load(repository / "monitoring/alerts.yml")
    for group in content["groups"]:
        for rule in group["rules"]:
            yield Alert(rule["alert"], rule["expr"], rule["labels"], rule["annotations"])


def recorded(repository: Path) -> list[str]:
    """The names of the series that recording rules make."""
    content = YAML(typ="safe").load(repository / "monitoring/rules.yml")
    return [rule["record"] for group in content["groups"] for rule in group["rules"]]


def cases(repository: Path) -> Iterator[tuple[str, bool]]:
    """The cases of all alerts: of which one, and whether it is to fire."""
    content = YAML(typ="safe").load(repository / "monitoring/alerts_test.yml")
    for test in content["tests"]:
        for case in test["alert_rule_test"]:
            yield case["alertname"], bool(case["exp_alerts"])


def operands(expression: str) -> Iterator[str]:
    """What an alert compares with numbers, without the comparisons: it has a value whether or not the alert fires.

    Looks an hour back become looks a second back, so that a test need not run for an hour.
    """
    for operand in _SETS.split(expression):
        yield _COMPARISON.sub("", operand).replace("offset 1h", "offset 1s")


def names(expression: str) -> set[str]:
    """The names of the metrics in an expression."""
    return set(_NAME.findall(re.sub(r"\{[^}]*\}", "", expression)))
