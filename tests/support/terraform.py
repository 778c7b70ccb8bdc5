"""What the real Terraform makes of a module, with a stand-in for the AWS provider (`tests/deploy/terraform`)."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from scripts.terraform import ENVIRONMENT

Json = dict[str, object]
Statement = tuple[str, str, str]
"""An action, on a resource, under a condition."""


@dataclass(frozen=True)
class Told:
    """What came of `fmt`, `validate` and `plan`."""

    badly_formatted: str
    error: str
    """Why there is no plan."""
    plan: Json

    def resources(self, kind: str = "") -> dict[str, Json]:
        """What is planned, of one type or of all, by address."""
        values = cast("dict[str, dict[str, list[Json]]]", self.plan["planned_values"])
        return {
            cast("str", each["address"]): cast("Json", each["values"])
            for each in values["root_module"]["resources"]
            if kind in ("", each["type"])
        }


async def told(module: Path, **variables: object) -> Told:
    """Run Terraform on a module."""
    driver = Path(__file__).parents[1] / "deploy/terraform/drive.py"
    process = await asyncio.create_subprocess_exec(
        *(ENVIRONMENT / "bin/python", driver, module, json.dumps(variables)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    answer = json.loads(output)
    return Told(answer["formatted"], answer.get("error", ""), answer.get("plan", {}))


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
