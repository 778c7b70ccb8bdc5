"""What the pages show can be copied."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge import plugins
from bridge.audit import Action
from bridge.cli import app
from bridge.config import load
from bridge.errors import ConfigError

EXAMPLES = {
    *("consul.yaml", "ec2.yaml", "ecs.yaml", "file.yaml", "migration.yaml"),
    *("tls.yaml", "two-datacenters.yaml", "views.yaml"),
}
ENVIRON = {
    "CONSUL_HOST": "consul.example.com",
    # What the modules of Terraform give.
    "AWS_REGION": "eu-west-1",
    "API_BUDGET": "2.5",
    "QUEUE_TASKS": "https://sqs.eu-west-1.amazonaws.com/123456789012/xds-bridge-1-tasks",
}


def test_every_example_is_a_configuration(repository: Path) -> None:
    folder = repository / "examples"

    configurations = [load(folder / name, ENVIRON, plugins.discover()) for name in sorted(EXAMPLES)]

    assert {path.name for path in folder.iterdir() if path.is_file()} == EXAMPLES | {"endpoints.yaml"}
    assert all(configuration.sources for configuration in configurations)


@pytest.fixture(scope="module")
def pages(repository: Path) -> dict[str, str]:
    """Everything a person is given to copy from, by the name of the file."""
    paths = [repository / "README.md", *sorted((repository / "docs").glob("**/*.md"))]
    return {str(path.relative_to(repository)): path.read_text(encoding="utf-8") for path in paths}


def test_every_configuration_of_a_page_is_one(pages: Mapping[str, str], tmp_path: Path) -> None:
    path, refused, loaded = tmp_path / "bridge.yaml", [], []

    for name, text in pages.items():
        for snippet in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
            path.write_text(snippet, encoding="utf-8")
            if "sources:" not in snippet:
                continue
            try:
                loaded.append(load(path, ENVIRON, plugins.discover()))
            except ConfigError as error:
                refused.append(f"{name}: {error}")

    assert refused == []
    assert len(loaded) >= 2


def test_the_page_has_every_action_of_the_audit_trail_and_no_other(repository: Path) -> None:
    page = (repository / "docs/configuration.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| action | what happened |\n|---|---|\n")
    rows = table.partition("\n\n")[0].splitlines()

    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]

    assert sorted(named) == sorted(Action)


def test_every_command_of_a_page_can_be_typed(pages: Mapping[str, str]) -> None:
    commands = {(name, line) for name, text in pages.items() for line in _commands(text)}

    refused = [f"{name}: {line}: {fault}" for name, line in sorted(commands) if (fault := _refusal(line))]

    assert refused == []
    assert {line.split()[1] for _, line in commands} >= {"run", "check", "schema", "bootstrap"}


@pytest.mark.parametrize(
    "line",
    [
        "xds-bridge chek",
        "xds-bridge check --lvie",
        "xds-bridge bootstrap --node-id a",
        "xds-bridge bootstrap --node-id a --cluster b --listener web=0.0.0.0:8080 --route web=/=web",
        "xds-bridge bootstrap --node-id a --cluster b --route web",
    ],
)
def test_a_command_that_cannot_be_typed_is_found(line: str) -> None:
    assert _refusal(line)


def _commands(page: str) -> Iterator[str]:
    """Every call of xds-bridge in a block of code, after a prompt or indented, without its comment."""
    for line in page.replace("\\\n", " ").splitlines():
        if found := re.match(r"(?:\$ |    )(xds-bridge .*)", line):
            yield " ".join(re.sub(r"\s#.*", "", found[1]).split())


def _refusal(line: str) -> str:
    """What the command line says against a call; empty when it takes it."""
    words = shlex.split(line.partition(" >")[0])[1:]
    # A bootstrap is only printed. Of the others the help is asked for: all options are read before it is given.
    outcome = CliRunner().invoke(app, words if words[0] == "bootstrap" else [*words, "--help"])
    return outcome.output if outcome.exit_code else ""
