"""`check --live` as a process, of sources in AWS: what polling will cost, and which permission is missing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.aws import CREDENTIALS, moto_server, use_credentials
from support.aws_site import populate
from support.confidential import require_none
from support.moto_iam import MotoIam, judging

SOURCES = """sources:
  - {{name: tasks, type: ecs, region: eu-west-1, clusters: [prod], endpoint_url: '{url}', interval: {interval}}}
  - {{name: vms, type: ec2, region: eu-west-1, endpoint_url: '{url}', interval: 10s, status_checks: true}}
"""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    use_credentials(monkeypatch)
    with moto_server() as url:
        populate(url)
        yield url


@pytest.fixture
def config(url: str, tmp_path: Path) -> Path:
    return configured(tmp_path, url)


def configured(folder: Path, url: str, interval: str = "15s") -> Path:
    path = folder / "bridge.yaml"
    path.write_text(SOURCES.format(url=url, interval=interval), encoding="utf-8")
    return path


def bridge(*arguments: str, **credentials: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        env={**os.environ, **CREDENTIALS, **credentials},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    require_none(done.stdout + done.stderr, f"xds-bridge {' '.join(arguments)}")
    return done


def rows(output: str) -> list[str]:
    return [" ".join(line.split()) for line in output.splitlines()]


def test_the_cost_of_polling_is_held_against_budget_and_buckets(config: Path) -> None:
    done = bridge("check", "--live", "--config", str(config))

    assert done.returncode == 0, done.stdout + done.stderr
    # The first pass asks for the cluster's ARN and for tasks that are to stop as well: two more than those to come.
    used = f"{(4 / 15 + 3 / 10) / 5:.0%}"
    assert [row for row in rows(done.stdout) if row.startswith("self/eu-west-1")] == [
        f"self/eu-west-1 tasks 15 s 4 960 {used}",
        f"self/eu-west-1 vms 10 s 3 1,080 {used}",
    ]
    assert "EC2 reads by filter or page self/eu-west-1 1,080 72,000 1.5%" in rows(done.stdout)
    assert "ECS cluster resource reads self/eu-west-1 720 72,000 1.0%" in rows(done.stdout)
    assert "missing permission" not in done.stdout


def test_an_interval_that_the_budget_stretches_is_told(url: str, tmp_path: Path) -> None:
    done = bridge("check", "--live", "--config", str(configured(tmp_path, url, interval="100ms")))

    assert done.returncode == 0, done.stdout + done.stderr
    assert any("self/eu-west-1 tasks 0.1 s, stretched to " in row for row in rows(done.stdout)), done.stdout


def test_the_permission_that_is_missing_is_named_and_the_printed_policy_mends_it(config: Path, url: str) -> None:
    iam = MotoIam(url)
    printed = bridge("iam-policy", "--config", str(config))
    policy = json.loads(printed.stdout)
    lacking = {"ecs:DescribeTasks", "ec2:DescribeInstanceStatus"}
    cut = {**policy, "Statement": [
        {**each, "Action": [action for action in each["Action"] if action not in lacking]}
        for each in policy["Statement"]
    ]}  # fmt: skip

    iam.allow(cut)
    with judging():
        denied = bridge("check", "--live", "--config", str(config), **iam.credentials)
    iam.allow(policy)
    with judging():
        allowed = bridge("check", "--live", "--config", str(config), **iam.credentials)

    assert denied.returncode == 1
    assert {row for row in rows(denied.stdout) if row.startswith("missing")} == {
        f"missing permission: {action}" for action in lacking
    }
    assert "xds-bridge iam-policy" in denied.stdout
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
