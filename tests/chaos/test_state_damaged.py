"""The state file is damaged, or a newer bridge's, when the bridge starts. Its sources live: nobody misses anything."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bridge.state.envelope import seal
from bridge.state.schema import CURRENT
from support.command import command
from support.file_traffic import file_traffic
from support.transports import Transport

DAMAGES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "cut off": lambda whole: whole[: len(whole) // 2],
    "empty": lambda _: b"",
    "a byte is another": lambda whole: whole.replace(b'"web"', b'"wed"', 1),
}


async def test_a_damaged_state_is_put_away_and_costs_nobody_anything(tmp_path: Path) -> None:
    state = tmp_path / "state" / "state.json"
    async with file_traffic(tmp_path, Transport.SOTW_ADS, state_directory=str(state.parent)) as world:
        before = await world.history()
        for damage in DAMAGES.values():
            await world.until_kept(state, "a", "b")
            updates = await world.updates()
            await world.bridge.kill()
            damaged = damage(state.read_bytes())
            state.write_bytes(damaged)

            await world.bridge.start()
            await world.told_again(updates)
            await world.load.more(20)
            assert state.with_name("state.json.bad").read_bytes() == damaged
            assert await world.history() == before

        assert len(world.bridge.events("state.damaged")) == len(DAMAGES)
        await world.converges("a", "b", "c")


async def test_the_state_of_a_newer_bridge_ends_the_start_and_is_left_alone(tmp_path: Path) -> None:
    state = tmp_path / "state" / "state.json"
    newer = b"".join(seal(CURRENT.version + 1, [b'{"sources":[],"more":[]}']).parts)
    async with file_traffic(tmp_path, Transport.DELTA_ADS, state_directory=str(state.parent)) as world:
        before, updates = await world.history(), await world.updates()
        await world.bridge.kill()
        state.write_bytes(newer)

        outcome = await command("run", "--config", world.bridge.config)
        await world.load.more(50)
        assert outcome.status == 78
        assert f"{state} has schema version {CURRENT.version + 1}" in outcome.error
        assert "a newer xds-bridge wrote it; run that one, or move the file away" in outcome.error
        assert state.read_bytes() == newer

        state.rename(tmp_path / "moved away")
        await world.bridge.start()
        await world.told_again(updates)
        assert await world.history() == before
        await world.converges("a", "b", "c")
