"""The configuration is broken, or would take most of a source, when the bridge is told to read it again.

Nothing changes for Envoy until somebody accepts the loss, and no request fails in any case.
"""

import signal
from pathlib import Path

from bridge.model import EndpointKey
from support.backends import backends
from support.bridge import BridgeProcess
from support.command import command
from support.endpoints_file import EndpointsFile
from support.envoy import envoy
from support.load import Load
from support.traffic import Traffic
from support.transports import Bootstrap, Transport
from support.waiting import eventually

ADDED = "cluster_manager.cluster_added"


async def test_a_broken_or_lossy_configuration_changes_nothing_until_the_loss_is_accepted(tmp_path: Path) -> None:
    async with backends("a", "b", "c") as running:
        many, few = EndpointsFile(tmp_path / "many.json"), EndpointsFile(tmp_path / "few.json")
        for number in range(20):
            many.set(f"api-{number}", [EndpointKey("10.0.0.1", 80)])
        many.set("web", [running.addresses["a"], running.addresses["b"]])
        few.set("web", [running.addresses["a"]])
        bridge = BridgeProcess(tmp_path / "bridge", [many.source("many")])
        bridge.listen_for_operators(tmp_path / "admin.sock")
        async with bridge:
            bootstrap = Bootstrap(Transport.DELTA_ADS, [bridge.xds_port], "web")
            async with envoy(bootstrap.config, tmp_path) as subject, Load(bootstrap.url) as load:
                web = Traffic(bridge, subject, load, running, "web")
                assert await web.answering() == {"a", "b"}
                before = await web.envoy.changes("web")

                bridge.config.write_text(bridge.config.read_text()[:-30])
                bridge.process.send_signal(signal.SIGHUP)
                await eventually(lambda: len(bridge.events("config.reload_failed")) == 1)
                refused = await bridge.reload(sources=[few.source("few")])
                many.set("late", [running.addresses["a"]])  # what is read on is served on
                await eventually(lambda: _has(web, "late"))
                assert await web.answering() == {"a", "b"}
                assert not refused["ok"]
                assert await web.envoy.changes("web") == before | {"cluster_manager.cluster_added": before[ADDED] + 1}

                accepted = await command("reload", "--accept-loss", "--socket", tmp_path / "admin.sock")
                await eventually(lambda: _hosts(web, {"a"}), what="Envoy has what is left")
                await running.stop("b")
                await load.more(50)
                few.set("web", [running.addresses["a"], running.addresses["c"]])
                await eventually(lambda: _hosts(web, {"a", "c"}), what="a change arrives")
                await load.more(50)

                assert accepted.status == 0, accepted.error
                assert load.failures == []


async def _has(web: Traffic, cluster: str) -> bool:
    return cluster in await web.envoy.clusters()


async def _hosts(web: Traffic, expected: set[str]) -> bool:
    return set(await web.hosts()) == expected
