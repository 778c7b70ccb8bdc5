"""The page of promises: every row names a test that there is, and no fault that is tested is missing."""

import ast
import re
from pathlib import Path

import pytest

PAGE = Path("docs/what-happens-when.md")

_ROW = re.compile(r"\| (?P<when>[^|]+) \| (?P<then>[^|]+) \| \[test\]\((?P<file>[^ )]+) \"(?P<test>\w+)\"\) \|")
_HEAD = ("| when | then | held by |", "|---|---|---|")


@pytest.fixture
def rows(repository: Path) -> list[str]:
    lines = (repository / PAGE).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("|") and line not in _HEAD]


def test_every_row_says_what_happens_and_links_to_a_test_that_there_is(repository: Path, rows: list[str]) -> None:
    wrong = []
    for row in rows:
        found = _ROW.fullmatch(row)
        if not found or found["test"] not in _tests((repository / PAGE).parent / found["file"]):
            wrong.append(row)

    assert rows
    assert wrong == []


def test_every_fault_that_is_tested_is_on_the_page(repository: Path, rows: list[str]) -> None:
    linked = {Path(found["file"]).name for row in rows if (found := _ROW.fullmatch(row))}

    assert {path.name for path in (repository / "tests/chaos").glob("test_*.py")} - linked == set()


def _tests(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {each.name for each in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(each, functions)}
