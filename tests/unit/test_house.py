"""The limits of CONTRIBUTING.md that no linter knows: sizes, names, forbidden calls, packages and addresses."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGES = ("bridge", "adapters", "xds")

FILE_LINES = 400
FUNCTION_LINES = 50

NAMELESS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}

REPLACE_OUR_XDS = {"xds-protos", "grpcio-admin", "grpcio-csds"}
"""They bring a package `xds` of their own, which pip installs over ours without a word."""

WITHOUT_DEPENDENCY = {"aiobotocore", "httpx"}
"""A second client of something that has its door already."""

ADDRESSES = re.compile(
    r"\b(pypi|pythonhosted|deb\.debian|snapshot\.debian|npmjs)\.(org|com)\b|/work/(main|shared|\.library)"
)
"""Package registries, and places that exist on one machine only."""


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    """Every file that is or could be committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout
    return [path for name in names.split("\0") if name and (path := repository / name).is_file()]


@pytest.fixture(scope="module")
def modules(tracked: list[Path], repository: Path) -> dict[Path, ast.Module]:
    """Every Python file, parsed, by its path from the root."""
    return {path.relative_to(repository): ast.parse(path.read_bytes()) for path in tracked if path.suffix == ".py"}


def test_files_are_short(tracked: list[Path]) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in tracked if path.suffix == ".py"}

    assert {str(path): lines for path, lines in lengths.items() if lines > FILE_LINES} == {}


def test_functions_are_short(modules: dict[Path, ast.Module]) -> None:
    lengths = {
        f"{path}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path, module in modules.items()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES} == {}


def test_every_module_of_ours_says_what_it_is_for(modules: dict[Path, ast.Module]) -> None:
    silent = [str(path) for path, module in modules.items() if path.parts[0] in PACKAGES and not _speaks(module)]

    assert silent == []


def _speaks(module: ast.Module) -> bool:
    return bool(ast.get_docstring(module))


def test_four_places_alone_catch_everything(modules: dict[Path, ast.Module]) -> None:
    catching = {str(path) for path, module in modules.items() if path.parts[0] in PACKAGES and any(_catch_all(module))}

    assert catching <= {
        "bridge/supervisor.py",
        "bridge/plugins.py",
        "bridge/reload/reloader.py",
        "bridge/cli/__init__.py",
    }


def _catch_all(module: ast.Module) -> Iterator[ast.ExceptHandler]:
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler):
            caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {""}
            if caught & {"", "Exception", "BaseException"}:
                yield node


def test_every_task_but_one_lives_in_a_task_group(modules: dict[Path, ast.Module]) -> None:
    bare = [
        f"{path}:{node.lineno}"
        for path, module in modules.items()
        if path.parts[0] in PACKAGES
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and _starts_bare_task(node.func)
    ]

    assert [place.partition(":")[0] for place in bare] == ["xds/server/connection.py"]  # one, with its reason beside it


def _starts_bare_task(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id in ("create_task", "ensure_future")
    if not isinstance(called, ast.Attribute):
        return False
    owner = called.value
    of_loop = isinstance(owner, ast.Name) and owner.id in ("asyncio", "loop")
    of_running_loop = isinstance(owner, ast.Call)  # asyncio.get_running_loop().create_task(…)
    return called.attr in ("create_task", "ensure_future") and (of_loop or of_running_loop)


def test_every_module_has_a_name_of_its_own(modules: dict[Path, ast.Module]) -> None:
    nameless = [str(path) for path in modules if NAMELESS & {path.stem, *path.parts[:-1]}]

    assert nameless == []


def test_tests_are_no_package(modules: dict[Path, ast.Module]) -> None:
    packages = [str(path) for path in modules if path.parts[0] == "tests" and path.name == "__init__.py"]

    assert packages == []


def test_no_file_names_a_registry_or_a_place_on_one_machine(tracked: list[Path], repository: Path) -> None:
    found = [
        f"{path.relative_to(repository)}: {match.group()}"
        for path in tracked
        if (match := ADDRESSES.search(path.read_text(encoding="utf-8", errors="ignore")))
    ]

    assert found == []


def _locked(repository: Path, name: str) -> dict[str, str]:
    """Version by package."""
    text = (repository / "requirements" / f"{name}.lock").read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, flags=re.MULTILINE))


def test_locks_hold_what_the_project_declares(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    declared = [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["envoy"]]

    locked = _locked(repository, "run")

    outside = [
        f"{requirement} is locked to {locked.get(canonicalize_name(requirement.name))}"
        for requirement in declared
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"))
    ]
    assert outside == []


def test_tests_run_with_the_versions_that_users_get(repository: Path) -> None:
    run, dev = _locked(repository, "run"), _locked(repository, "dev")

    assert run
    assert run.items() <= dev.items()


@pytest.mark.parametrize("name", ["build", "run", "dev"])
def test_locks_hold_a_hash_for_each_package_and_no_forbidden_one(repository: Path, name: str) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", (repository / "requirements" / f"{name}.lock").read_text(), flags=re.MULTILINE)

    assert [block for block in blocks[1:] if "--hash=sha256:" not in block] == []
    assert not _locked(repository, name).keys() & (REPLACE_OUR_XDS | WITHOUT_DEPENDENCY)


def test_help_names_every_target(repository: Path) -> None:
    shown = subprocess.run(["make"], cwd=repository, check=True, capture_output=True, text=True).stdout

    assert re.findall(r"^  make (\w+) ", shown, flags=re.MULTILINE) == [
        "run", "test", "chaos", "soak", "check", "bench", "build", "release", "docs", "screenshots", "clean", "lock",
    ]  # fmt: skip
