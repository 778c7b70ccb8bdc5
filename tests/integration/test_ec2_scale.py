"""What a pass over EC2 costs, counted at the server: by the number of instances, and by nothing else."""

import pytest

from adapters._aws import Cloud
from support.aws import CannedAws
from support.aws_fleets import instances
from support.ec2 import CannedFleet, Shown, asked_ids, passes, reading
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]
pytestmark = pytest.mark.usefixtures("credentials")


@pytest.fixture
def fleet(aws: CannedAws) -> CannedFleet:
    return instances(aws)


async def test_two_thousand_instances_cost_twenty_calls(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    async with reading(aws, cloud, interval="1h") as source:
        await eventually(lambda: source.spoken, timeout=60)

    assert sum(map(len, source.sink.services.values())) == len(fleet.instances) == 2000
    assert len(aws.requests) == 20
    assert {request.operation for request in aws.requests} == {"DescribeInstances"}


async def test_a_replaced_group_costs_no_call_more(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    """Instances that are seen to end need not be asked for one by one."""
    for number in range(300, 2000):
        del fleet.instances[f"i-{number:04}"]
    async with reading(aws, cloud) as source:
        await passes(source, 1)
        for number in range(200):
            fleet.show(Shown(f"i-{number:04}", "terminated", private=""))
            fleet.show(Shown(f"n-{number:04}", private=f"10.9.0.{number + 1}"))
        await eventually(lambda: len(source.sink.lost) == 200)

    assert not any(asked_ids(request) for request in aws.requests)
