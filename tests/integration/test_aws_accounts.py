"""Several accounts in one source, which moto keeps apart: each is read under its role, and each can fail alone."""

import pytest
from moto.backends import get_backend
from moto.core.exceptions import JsonRESTError
from moto.ec2.exceptions import EC2ClientError

from adapters._aws import Cloud
from support.aws import REGION, assumed
from support.ec2 import MotoFleet
from support.ec2 import reading as reading_ec2
from support.ecs import arn, container
from support.ecs_moto import MotoEcs
from support.ecs_reading import failures, passes, reading
from support.recording import RecordingContext
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]

OTHER_ACCOUNT = "222222222222"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/xds-bridge"
ACCOUNTS = [{}, {"assume_role": ROLE}]
BILLING = arn("cluster", "billing").replace("123456789012", OTHER_ACCOUNT)


def run(ecs: MotoEcs, service: str, address: str, cluster: str, port: int = 80) -> str:
    """Run a task of a service in a cluster, which is made where it is not there."""
    ecs.ecs.create_cluster(clusterName=cluster)
    definition = ecs.define(service, {"name": "app", "dockerLabels": {"xds-service": f"{service}:{port}"}})
    return ecs.run(definition, container(address=address), cluster=cluster, group=f"service:{service}")


def known(source: RecordingContext) -> dict[str, set[str]]:
    """The addresses of each service."""
    return {service: set(found) for service, found in source.sink.services.items()}


async def test_clusters_of_two_accounts_by_name_and_by_arn(
    moto: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = MotoEcs(moto), MotoEcs(moto, account=OTHER_ACCOUNT, **assumed(moto, ROLE))
    run(mine, "web", "10.0.0.1", "prod")
    run(theirs, "web", "10.0.9.1", "prod", port=81)  # web:1 as well, but not the same
    run(theirs, "bills", "10.0.9.2", "billing")

    async with reading(moto, cloud, clusters=["prod", BILLING], accounts=ACCOUNTS) as source:
        await passes(source)
        assert known(source) == {"web": {"10.0.0.1:80", "10.0.9.1:81"}, "bills": {"10.0.9.2:80"}}
        assert {scope.split(":")[4] for scope in source.sink.state} == {"123456789012", OTHER_ACCOUNT}

        def denied(*_: object, **__: object) -> None:
            raise JsonRESTError("AccessDeniedException", "not authorized to perform: ecs:ListTasks")

        monkeypatch.setattr(get_backend("ecs")[OTHER_ACCOUNT][REGION], "list_tasks", denied)
        await failures(source, 4)
        run(mine, "web", "10.0.0.2", "prod")
        await eventually(lambda: "10.0.0.2:80" in source.sink.addresses("web"))

        assert known(source) == {"web": {"10.0.0.1:80", "10.0.0.2:80", "10.0.9.1:81"}, "bills": {"10.0.9.2:80"}}
        assert source.sink.lost == []
        assert set(source.failures) == {f'cluster "{name}" in {OTHER_ACCOUNT}/{REGION}' for name in ("prod", "billing")}


async def test_instances_of_two_accounts(moto: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = MotoFleet(moto), MotoFleet(moto, **assumed(moto, ROLE))
    mine.launch({"xds-service": "web:80"}, "10.0.0.1")
    theirs.launch({"xds-service": "web:80"}, "10.0.9.1")

    async with reading_ec2(moto, cloud, accounts=ACCOUNTS) as source:
        await passes(source)
        assert known(source) == {"web": {"10.0.0.1:80", "10.0.9.1:80"}}

        def denied(*_: object, **__: object) -> None:
            raise EC2ClientError("UnauthorizedOperation", "You are not authorized to perform this operation.")

        for name in ("describe_instances", "all_reservations"):
            monkeypatch.setattr(get_backend("ec2")[OTHER_ACCOUNT][REGION], name, denied)
        await failures(source)
        mine.launch({"xds-service": "web:80"}, "10.0.0.2")
        await eventually(lambda: "10.0.0.2:80" in source.sink.addresses("web"))

        assert known(source) == {"web": {"10.0.0.1:80", "10.0.0.2:80", "10.0.9.1:80"}}
        assert source.sink.lost == []
        assert set(source.failures) == {f"{OTHER_ACCOUNT}/{REGION}"}
