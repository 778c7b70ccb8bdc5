"""Every endpoint of a service is replaced, one by one, under load: no request fails."""

from pathlib import Path

import pytest

from support.backends import backends
from support.bridge import BridgeProcess
from support.endpoints_file import EndpointsFile
from support.envoy import EnvoyProcess, envoy
from support.load import Load
from support.transports import Bootstrap, Transport
from support.waiting import eventually


async def _hosts(subject: EnvoyProcess, cluster: str, expected: set[str]) -> bool:
    return set((await subject.clusters())[cluster]) == expected


@pytest.mark.parametrize("transport", Transport)
async def test_no_request_fails_while_all_endpoints_are_replaced_one_by_one(
    tmp_path: Path, transport: Transport
) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    old, new = ["old-1", "old-2", "old-3"], ["new-1", "new-2", "new-3"]
    async with backends(*old) as running:
        file.set("web", list(running.addresses.values()))
        async with BridgeProcess(tmp_path / "bridge", [file.source()]) as bridge:
            bootstrap = Bootstrap(transport, [bridge.xds_port], "web")
            async with envoy(bootstrap.config, tmp_path) as subject, Load(bootstrap.url) as load:
                await load.more(20)

                for departing, arriving in zip(old, new, strict=True):
                    await running.start(arriving)
                    remaining = {name: key for name, key in running.addresses.items() if name != departing}
                    file.set("web", list(remaining.values()))
                    expected = {str(key) for key in remaining.values()}
                    await eventually(lambda: _hosts(subject, transport.cluster("web"), expected))  # noqa: B023 (awaited here)
                    await load.more(20)
                    await running.stop(departing)
                await load.more(100)

                assert load.failures == []
                assert set(load.answers) == {*old, *new}
