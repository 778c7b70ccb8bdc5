"""A second bridge is started on the port or the state directory of a first: it ends, says why, and disturbs nobody."""

from pathlib import Path

from bridge.bootstrap import BRIDGE_CLUSTER
from support.bridge import BridgeProcess
from support.command import command
from support.file_traffic import file_traffic
from support.transports import Transport

CONNECTIONS = f"cluster.{BRIDGE_CLUSTER}.upstream_cx_total"


async def test_a_second_bridge_ends_with_one_line_and_takes_nothing_from_the_first(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    async with file_traffic(tmp_path, Transport.DELTA_ADS, state_directory=str(state)) as world:
        first = world.bridge
        await world.load.more(50)
        before, opened = await world.history(), await world.stat(CONNECTIONS)
        same_port = BridgeProcess(tmp_path / "port", [world.file.source()], state_directory=str(tmp_path / "other"))
        same_port.write(same_port.settings | {"xds": {"listen": f"127.0.0.1:{first.xds_port}"}})
        same_state = BridgeProcess(tmp_path / "directory", [world.file.source()], state_directory=str(state))

        by_port = await command("run", "--config", same_port.config)
        by_state = await command("run", "--config", same_state.config)
        await world.load.more(50)

        assert (by_port.status, by_state.status) == (1, 1)
        assert f":{first.xds_port}; is the port in use?" in _complaint(by_port.error)
        assert f"process {first.process.pid}, " in _complaint(by_state.error)
        assert str(state) in _complaint(by_state.error)
        assert await world.history() == before
        assert await world.stat(CONNECTIONS) == opened
        await world.converges("a", "b", "c")


def _complaint(errors: str) -> str:
    """The one line that is not a record of the log."""
    (line,) = (line for line in errors.splitlines() if not line.startswith("{"))
    return line
