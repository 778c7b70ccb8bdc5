"""What tests of a real Envoy share: each transport, and a server in this process."""

from collections.abc import AsyncIterator

import pytest

from support.replica import Replica, replica
from support.transports import Transport


@pytest.fixture(params=list(Transport))
def transport(request: pytest.FixtureRequest) -> Transport:
    return Transport(request.param)


@pytest.fixture
async def bridge() -> AsyncIterator[Replica]:
    async with replica() as started:
        yield started
