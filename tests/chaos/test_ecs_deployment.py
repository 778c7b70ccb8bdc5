"""A rolling deployment in ECS replaces every task under load: no request fails, none goes to a task that stopped."""

from pathlib import Path

import pytest

from support.aws import REGION, moto_server, use_credentials
from support.backends import Backends, backends
from support.ecs import container
from support.ecs_moto import MotoEcs
from support.ports import free_port
from support.traffic import Traffic, traffic
from support.transports import Transport

CHECK = {"command": ["CMD-SHELL", "true"]}


class Service:
    """The service `web` in ECS, whose tasks are backends on addresses of their own; a deployment as ECS does it."""

    def __init__(self, ecs: MotoEcs, running: Backends) -> None:
        self._ecs = ecs
        self._running = running
        self._port = free_port()
        self._addresses: dict[str, str] = {}
        self._tasks: dict[str, str] = {}

    async def start(self, revision: str, *names: str) -> None:
        """Start tasks, each with its backend; none has an address yet."""
        for name in names:
            address = f"127.0.0.{len(self._tasks) + 11}"
            await self._running.start(name, address, self._port)
            self._tasks[name] = self._ecs.run(revision, container(lastStatus="PENDING"), group="service:web")
            self._ecs.tell(self._tasks[name], last_status="PENDING", attachments=[])
            self._addresses[name] = address

    def revision(self) -> str:
        """Register a revision; one on the same port with a health check."""
        labels = {"xds-service": f"web:{self._port}"}
        return self._ecs.define("web", {"name": "app", "dockerLabels": labels, "healthCheck": CHECK})

    def run(self, *names: str, health: str) -> None:
        """Let tasks run with the outcome of their health check."""
        for name in names:
            told = container(address=self._addresses[name], healthStatus=health)
            self._ecs.tell(self._tasks[name], [told], last_status="RUNNING")

    def end(self, *names: str, last: str) -> None:
        """Let tasks be told to stop, and come so far with it."""
        for name in names:
            self._ecs.tell(self._tasks[name], desired_status="STOPPED", last_status=last)


async def roll_out(service: Service, web: Traffic) -> None:
    """Replace `old1` and `old2`, as ECS does with at least 100 % of the tasks healthy: first start, then stop."""
    old = {"old1": "HEALTHY", "old2": "HEALTHY"}

    await service.start(service.revision(), "new1", "new2")
    await web.until_read("ecs.DescribeTasks")
    assert await web.health() == old, "who has not started is not there"

    service.run("new1", "new2", health="UNKNOWN")
    await web.until_health(**old, new1="UNHEALTHY", new2="UNHEALTHY")
    assert await web.answering() == {"old1", "old2"}

    service.run("new1", "new2", health="HEALTHY")
    await web.until_health(**old, new1="HEALTHY", new2="HEALTHY")
    assert await web.answering(40) == {"old1", "old2", "new1", "new2"}

    new = {"new1": "HEALTHY", "new2": "HEALTHY"}
    service.end("old1", "old2", last="RUNNING")
    await web.until_health(**new, old1="DRAINING", old2="DRAINING")
    for last in ("DEACTIVATING", "STOPPING"):
        service.end("old1", "old2", last=last)
        await web.until_read("ecs.DescribeTasks")
        assert await web.health() == {**new, "old1": "DRAINING", "old2": "DRAINING"}
    assert await web.answering() == {"new1", "new2"}

    service.end("old1", "old2", last="STOPPED")
    await web.until_health(**new)


@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_no_request_fails_while_a_deployment_replaces_every_task(
    tmp_path: Path, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_credentials(monkeypatch)
    with moto_server() as moto:
        ecs = MotoEcs(moto)
        ecs.ecs.create_cluster(clusterName="prod")
        async with backends() as running:
            service = Service(ecs, running)
            await service.start(service.revision(), "old1", "old2")
            service.run("old1", "old2", health="HEALTHY")
            source = {"name": "prod", "type": "ecs", "region": REGION, "endpoint_url": moto, "clusters": ["prod"],
                      "interval": "100ms", "api_budget": 100}  # fmt: skip
            async with traffic(source, running, transport, tmp_path) as web:
                assert await web.answering() == {"old1", "old2"}

                await roll_out(service, web)
                answered = running.requests.copy()
                await running.stop("old1")
                await running.stop("old2")

                assert await web.answering(100) == {"new1", "new2"}
                assert all(running.requests[name] == answered[name] for name in ("old1", "old2"))
