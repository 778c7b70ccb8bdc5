"""Fixtures of the tests of sources in AWS, for modules that name this one in `pytest_plugins`."""

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters._aws import Cloud
from support.aws import CannedAws, canned_aws, impatient, moto_server, use_credentials
from support.ec2 import CannedFleet
from support.ecs_moto import MotoEcs
from support.ecs_server import EcsServer
from support.events import MotoEvents, moto_events


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    """One try for each call: what the SDK does beyond that is the SDK's business."""
    return impatient()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    use_credentials(monkeypatch)


@pytest.fixture
def moto(credentials: None) -> Iterator[str]:
    """The URL of a moto server."""
    with moto_server() as url:
        yield url


@pytest.fixture
def ecs(moto: str) -> MotoEcs:
    """ECS in it, with an empty cluster `prod`."""
    ecs = MotoEcs(moto)
    ecs.ecs.create_cluster(clusterName="prod")
    return ecs


@pytest.fixture
def events(moto: str) -> Iterator[MotoEvents]:
    """A queue of events in it."""
    with moto_events(moto) as events:
        yield events


@pytest.fixture
async def aws(credentials: None) -> AsyncIterator[CannedAws]:
    """A server whose answers the test writes."""
    async with canned_aws() as aws:
        yield aws


@pytest.fixture
def fleet(aws: CannedAws) -> CannedFleet:
    """Instances of EC2 that the server answers with; none yet."""
    fleet = CannedFleet()
    fleet.serve(aws)
    return fleet


@pytest.fixture
def server(aws: CannedAws) -> EcsServer:
    """Tasks of ECS that the server answers with; none yet."""
    return EcsServer(aws)
