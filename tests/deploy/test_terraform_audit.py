"""What others who know AWS say of `terraform/`: checkov of all of it, parliament of the policies."""

import asyncio
import json
import os
from pathlib import Path
from typing import cast

from scripts.apart import AUDIT
from support.terraform import Json, told
from support.terraform_examples import EXAMPLES, example

KNOWN: Json = {"Effect": "Allow", "Action": "ecs:ListTasks", "Resource": "*"}


async def test_checkov_finds_nothing_but_what_is_justified_where_it_is(repository: Path) -> None:
    options = ("--directory", repository / "terraform", "--framework", "terraform", "--skip-download", "--compact")
    # It counts its users by the network, unless it is told otherwise.
    quiet = {"BC_SKIP_MAPPING": "TRUE", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false"}
    process = await asyncio.create_subprocess_exec(
        *(AUDIT.bin / "checkov", *options, "--output", "json"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **quiet},
    )

    output, _ = await process.communicate()

    summary = json.loads(output)["summary"]
    assert (process.returncode, summary["failed"], summary["parsing_errors"]) == (0, 0, 0), output.decode()
    assert summary["passed"] > 200
    assert 0 < summary["skipped"] < 20


async def test_parliament_knows_every_action_of_the_policies(repository: Path) -> None:
    policies: dict[str, object] = {}
    for name, variables in EXAMPLES.items():
        planned = await told(example(repository, name), **variables)
        for address, role in planned.resources("aws_iam_role_policy").items():
            if "policy" in role:  # one that refers to what is not there yet has its text after apply
                policies[f"{name} {address}"] = json.loads(cast("str", role["policy"]))
    assert len(policies) >= 8

    assert await findings(policies) == {}


async def test_parliament_finds_an_action_that_there_is_not() -> None:
    misspelt = {"Version": "2012-10-17", "Statement": [KNOWN | {"Action": "ecs:DescribeTaskz"}]}

    found = await findings({"misspelt": misspelt, "right": {"Version": "2012-10-17", "Statement": [KNOWN]}})

    assert list(found) == ["misspelt"]
    assert "DescribeTaskz" in found["misspelt"][0]


async def findings(policies: dict[str, object]) -> dict[str, list[str]]:
    """What parliament says of policies, by their names; nothing of those that are fine."""
    process = await asyncio.create_subprocess_exec(
        *(AUDIT.bin / "python", Path(__file__).parent / "terraform/lint_policies.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(json.dumps(policies).encode())
    assert process.returncode == 0
    found: dict[str, list[str]] = json.loads(output)
    return found
