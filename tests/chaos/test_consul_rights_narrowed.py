"""The bridge's token may see less than before, or is none any more: what is known is kept and served."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.consul import consul_agent
from support.consul_rights import READ_ALL, Rights, granted
from support.consul_traffic import ConsulTraffic, consul_traffic

NOTHING = ""
ONLY_CONSUL = 'service "consul" { policy = "read" } node_prefix "" { policy = "read" }'
"""With this the catalog looks like one from which everything has gone in good order."""


@dataclass
class World:
    """Traffic on `web`, beside which there is `db`, and the rights of the token."""

    traffic: ConsulTraffic
    rights: Rights
    tags: Iterator[int] = field(default_factory=itertools.count)

    async def restarted(self) -> None:
        """Wait until a new process has told Envoy what it knows, which is what the state says."""
        await self.traffic.until_kept("a", "b")
        updates = await self.traffic.updates()
        await self.traffic.bridge.terminate()
        await self.rights.change(NOTHING)
        await self.traffic.bridge.start()
        await self.traffic.back(updates)

    async def changes(self) -> None:
        """Move Consul's indexes on, so that nothing is ignored for being old."""
        await self.rights.agent.register("db", "10.0.1.1", Tags=[str(next(self.tags))])

    async def seems_emptied(self, reason: str) -> None:
        """Have everything but Consul vanish from the token's sight, and wait until it is held."""
        await self.rights.change(ONLY_CONSUL)
        await self.changes()
        await self.traffic.until_held(reason, 3)
        assert (await self.traffic.guard_list()).status == 1

    async def heals(self) -> None:
        await self.rights.change(READ_ALL)
        await self.traffic.converges()
        await self.traffic.until_failing()
        assert (await self.traffic.guard_list()).status == 0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with consul_agent(acl=True) as consul:
        rights = await granted(consul, tmp_path / "token")
        await consul.register("db", "10.0.1.1")
        source: dict[str, object] = {"token_file": str(rights.file)}
        async with consul_traffic(tmp_path, consul, source=source, startup_grace="500ms") as traffic:
            yield World(traffic, rights)


async def test_rights_lost_under_way_take_nothing(world: World) -> None:
    async with world.traffic.unnoticed():
        await world.rights.change(NOTHING)
        await world.changes()
        await world.traffic.until_failing("dc1")

    async with world.traffic.unnoticed():
        await world.seems_emptied("emptied")  # the source itself saw them all vanish

    await world.heals()


async def test_a_deleted_token_takes_nothing_and_another_one_in_its_file_is_enough(world: World) -> None:
    async with world.traffic.unnoticed():
        await world.rights.revoke()
        await world.changes()
        await world.traffic.until_failing("dc1")
    (failed,) = world.traffic.bridge.events("source.failed")
    assert "ACL token is missing, expired" in str(failed["error"])

    secret, _ = await world.rights.agent.token("bridge")
    world.rights.file.write_text(secret)
    await world.heals()


async def test_rights_lost_before_a_restart_take_nothing_of_what_was_kept(world: World) -> None:
    async with world.traffic.unnoticed():
        await world.restarted()
        await world.traffic.until_failing("dc1")
    assert (await world.traffic.bridge.metrics())['xds_bridge_source_restored_endpoints{source="dc1"}'] == 3

    async with world.traffic.unnoticed():
        await world.seems_emptied("emptied")  # the source has seen none, and the guard judges

    await world.heals()
