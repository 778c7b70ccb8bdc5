"""A group of instances in EC2 is replaced under load: no request fails, and none goes to an instance that has ended."""

from pathlib import Path

import pytest

from support.aws import REGION, moto_server, use_credentials
from support.backends import Backends, backends
from support.ec2 import MotoFleet
from support.ports import free_port
from support.traffic import Traffic, traffic
from support.transports import Transport


class Group:
    """Instances that serve `web`: backends on addresses of their own."""

    def __init__(self, fleet: MotoFleet, running: Backends) -> None:
        self._fleet = fleet
        self._running = running
        self._port = free_port()
        self._instances: dict[str, str] = {}

    async def launch(self, *names: str) -> None:
        """Launch instances that are pending, with their backends."""
        for name in names:
            address = f"127.0.0.{len(self._instances) + 21}"
            await self._running.start(name, address, self._port)
            self._instances[name] = self._fleet.launch({"Name": name}, address)
            self.show("pending", name)
            self._fleet.tag(self._instances[name], "xds-service", f"web:{self._port}")

    def show(self, state: str, *names: str) -> None:
        """Let instances be in a state."""
        for name in names:
            self._fleet.tell(self._instances[name], state)

    def terminate(self, *names: str) -> None:
        """End instances for good."""
        self._fleet.terminate(*(self._instances[name] for name in names))


async def replace(group: Group, web: Traffic) -> None:
    """Replace `old1` and `old2`: first launch, then terminate."""
    old, new = {"old1": "HEALTHY", "old2": "HEALTHY"}, {"new1": "HEALTHY", "new2": "HEALTHY"}

    await group.launch("new1", "new2")
    await web.until_read("ec2.DescribeInstances")
    assert await web.health() == old, "who has not started is not there"

    group.show("running", "new1", "new2")
    await web.until_health(**old, **new)
    assert await web.answering(40) == {"old1", "old2", "new1", "new2"}

    group.show("shutting-down", "old1", "old2")
    await web.until_health(**new, old1="DRAINING", old2="DRAINING")
    assert await web.answering() == {"new1", "new2"}

    group.terminate("old1", "old2")
    await web.until_health(**new)


@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_no_request_fails_while_every_instance_of_a_group_is_replaced(
    tmp_path: Path, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_credentials(monkeypatch)
    with moto_server() as moto:
        async with backends() as running:
            group = Group(MotoFleet(moto), running)
            await group.launch("old1", "old2")
            group.show("running", "old1", "old2")
            source = {"name": "vms", "type": "ec2", "region": REGION, "endpoint_url": moto,
                      "interval": "100ms", "api_budget": 100}  # fmt: skip
            async with traffic(source, running, transport, tmp_path) as web:
                assert await web.answering() == {"old1", "old2"}

                await replace(group, web)
                answered = running.requests.copy()
                await running.stop("old1")
                await running.stop("old2")

                assert await web.answering(100) == {"new1", "new2"}
                assert all(running.requests[name] == answered[name] for name in ("old1", "old2"))
