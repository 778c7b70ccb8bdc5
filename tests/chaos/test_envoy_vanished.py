"""The machine of an Envoy vanishes from the network, with its connection open: that is noticed, and others go on."""

from pathlib import Path

from support.envoy import EnvoyProcess
from support.file_traffic import file_traffic
from support.machine import Machine
from support.transports import Bootstrap, Transport


async def test_another_envoy_goes_on_beside_one_that_vanished_which_catches_up(tmp_path: Path) -> None:
    transport = Transport.DELTA_ADS
    async with Machine() as machine, file_traffic(tmp_path, transport, host="0.0.0.0", impatient=True) as world:
        bootstrap = Bootstrap(transport, [world.bridge.xds_port], "web", "vanished", host=machine.host)
        bootstrap.probe("1s", "2s")
        bootstrap.return_soon()
        async with EnvoyProcess(bootstrap.config, tmp_path, machine=machine) as other:
            await world.until("a", "b", of=other)
            await world.streams(2)

            await machine.vanish()
            await world.converges("a", "b", "c")
            await world.streams(1)
            await world.backends.start("d")
            await world.converges("a", "b", "c", "d")

            await machine.return_()
            await world.until("a", "b", "c", "d", of=other)
            await world.streams(2)
            assert world.load.failures == []
