"""The link of an Envoy is slow: only its own stream waits, and it is given the newest, not all that there was."""

from pathlib import Path

from bridge.model import EndpointKey
from support.file_traffic import file_traffic
from support.subject import subject as another
from support.tcp_proxy import tcp_proxy
from support.transports import Transport

CHANGES = 4
LARGE = [EndpointKey(f"10.9.0.{number}", 80) for number in range(1, 101)]
FILLING = "x" * 200
"""Of each of these endpoints, so that one response takes seconds on the slow link."""


async def test_another_envoy_sees_every_change_beside_a_slow_one_which_ends_with_the_newest(tmp_path: Path) -> None:
    transport, updates = Transport.DELTA_ADS, "cluster.large.update_success"
    async with (
        file_traffic(tmp_path, transport) as world,
        tcp_proxy(world.bridge.xds_port) as link,
        another(transport, [link.port], tmp_path, node="slow") as other,
    ):
        world.file.set("large", LARGE, metadata={"number": "0", "filling": FILLING})
        await other.until(updates, 1)

        link.rate = 0
        names = ["a", "b"]
        for number in range(1, CHANGES + 1):
            names.append(f"new-{number}")
            await world.backends.start(names[-1])
            world.file.set("large", LARGE, metadata={"number": f"{number}", "filling": FILLING})
            await world.converges(*names)
        link.rate = 512
        await world.until(*names, of=other.envoy)

        # The one on its way, and the newest; once more if it had to come back.
        assert 1 < await other.stat(updates) <= 4
        await world.streams(2)
        assert world.load.failures == []
