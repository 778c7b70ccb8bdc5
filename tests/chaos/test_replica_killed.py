"""One of two replicas is killed: its Envoys go on with the other one, and neither they nor their requests notice."""

from pathlib import Path

import pytest

from support.backends import backends
from support.bridge import BridgeProcess
from support.endpoints_file import EndpointsFile
from support.envoy import envoy
from support.load import Load
from support.replicas import Replicas
from support.transports import Bootstrap, Transport
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT


async def served(bridge: BridgeProcess) -> bool:
    """Whether an Envoy follows clusters and endpoints here, and has taken endpoints since it came.

    Its clusters it need not be sent: it names their version, which is the same on every replica.
    """
    streams = (await bridge.get("/api/v1/envoys"))["streams"]
    assert isinstance(streams, list)
    types = [each for stream in streams for each in stream["types"]]
    taken = {each["type_url"] for each in types if each["version_acked"] or each["type_url"] == CLUSTER.url}
    return taken == {CLUSTER.url, ENDPOINT.url}


@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_the_envoys_of_a_killed_replica_move_and_nothing_changes(tmp_path: Path, transport: Transport) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    async with backends("a", "b", "c") as running, Replicas(tmp_path, [file.source()]) as replicas:
        file.set("web", [running.addresses["a"], running.addresses["b"]])
        file.set("other", [running.addresses["c"]])
        await replicas.start()
        bootstrap = Bootstrap(transport, [bridge.xds_port for bridge in replicas.both], "web")
        async with envoy(bootstrap.config, tmp_path) as subject, Load(bootstrap.url) as load:
            await load.more(20)
            before = await subject.changes("web", "other")
            one, two = replicas.both

            async def followed() -> bool:
                return await served(one) != await served(two)

            await eventually(followed, what="Envoy follows one of them")
            chosen, survivor = (one, two) if await served(one) else (two, one)

            await chosen.kill()
            await load.more(100)
            await eventually(lambda: served(survivor), timeout=60, what="the survivor serves clusters and endpoints")
            await load.more(20)
            assert load.failures == []
            assert set(load.answers) == {"a", "b"}
            assert await subject.changes("web", "other") == before

            file.set("web", [running.addresses["c"]])

            async def arrived() -> bool:
                return set((await subject.clusters())["web"]) == {str(running.addresses["c"])}

            await eventually(arrived, timeout=30, what="a change arrives by the survivor")
            await chosen.start()
            await replicas.until("same")
            assert load.failures == []
