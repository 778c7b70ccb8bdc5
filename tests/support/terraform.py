"""What the real Terraform makes of a module, with a stand-in for the AWS provider (`tests/deploy/terraform`)."""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from scripts.apart import TERRAFORM

Json = dict[str, object]
Statement = tuple[str, str, str]
"""An action, on a resource, under a condition."""


@dataclass(frozen=True)
class Told:
    """What comes of `fmt`, `validate` and `plan`."""

    badly_formatted: str
    error: str
    """Why there is no plan."""
    plan: Json

    def resources(self, kind: str = "") -> dict[str, Json]:
        """What is planned, of one type or of all, by address; also by the modules that a module uses."""
        values = cast("dict[str, Json]", self.plan["planned_values"])
        return {
            cast("str", each["address"]): cast("Json", each["values"])
            for each in _resources(values["root_module"])
            if kind in ("", each["type"])
        }

    def outputs(self) -> Json:
        """What is told to whoever uses the module, by name."""
        values = cast("dict[str, dict[str, Json]]", self.plan["planned_values"])
        return {name: each.get("value") for name, each in values.get("outputs", {}).items()}


def _resources(module: Json) -> Iterator[Json]:
    yield from cast("list[Json]", module.get("resources", []))
    for child in cast("list[Json]", module.get("child_modules", [])):
        yield from _resources(child)


async def told(module: Path, **variables: object) -> Told:
    """Have Terraform plan a module."""
    status, output = await _drive("plan", module, json.dumps(variables))
    assert status == 0, output
    answer = json.loads(output)
    return Told(answer["formatted"], answer.get("error", ""), answer.get("plan", {}))


async def unplannable(module: Path, **variables: object) -> str:
    """Why a module cannot be planned with a provider that knows ids, ARNs and addresses after apply alone, if so."""
    status, output = await _drive("plan", module, json.dumps(variables), KNOWN_AFTER_APPLY="yes")
    assert status == 0, output
    return str(json.loads(output).get("error", ""))


async def run_tests(module: Path) -> tuple[int, str]:
    """Run the tests that a module has of its own (`terraform test`): 0 if all pass, and what they say."""
    return await _drive("test", module)


async def _drive(*arguments: str | Path, **environ: str) -> tuple[int, str]:
    driver = Path(__file__).parents[1] / "deploy/terraform/drive.py"
    process = await asyncio.create_subprocess_exec(
        *(TERRAFORM.bin / "python", driver, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environ},
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode() or errors.decode()


def allowed(policy: Mapping[str, object]) -> set[Statement]:
    """What a policy allows, however its statements are grouped."""
    return set(_allowed(policy))


def _allowed(policy: Mapping[str, object]) -> Iterator[Statement]:
    for each in cast("list[Json]", policy["Statement"]):
        assert each["Effect"] == "Allow"
        for action in _list(each["Action"]):
            for resource in _list(each["Resource"]):
                yield action, resource, json.dumps(each.get("Condition", {}), sort_keys=True)


def _list(value: object) -> list[str]:
    return [value] if isinstance(value, str) else cast("list[str]", value)
