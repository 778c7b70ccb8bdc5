"""`xds-bridge explain` with a real Consul and a real Envoy: each broken thing is told of in its last line."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.command import Outcome, command
from support.consul import consul_agent
from support.consul_traffic import ConsulTraffic, consul_traffic
from support.envoy_content import BAD_TEMPLATE, Bad
from support.waiting import eventually

ADDRESS = "10.9.0.{}"


@dataclass
class Told:
    """What the command says of something."""

    code: int
    lines: list[str]

    @property
    def conclusion(self) -> str:
        return self.lines[-1]


@dataclass
class World:
    traffic: ConsulTraffic

    async def explain(self, target: str, *options: str) -> Outcome:
        return await command("explain", target, "--admin", self.traffic.bridge.url(""), *options)

    async def told(self, target: str) -> Told:
        outcome = await self.explain(target)
        return Told(outcome.status, outcome.output.splitlines())

    async def until(self, target: str, *words: str) -> Told:
        """What is said once these words are in the conclusion."""
        said: list[Told] = []

        async def matches() -> bool:
            said.append(await self.told(target))
            return all(word in said[-1].conclusion for word in words)

        await eventually(matches, timeout=60, what=f"{target}: {words}")
        return said[-1]


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    bad = {"match": "refused", "cluster": BAD_TEMPLATE[Bad.UNREAD]}
    source = {"services": {"exclude": ["internal-*"]}, "filter": 'Service.Meta.env != "test"'}
    async with consul_agent() as consul:
        await consul.register("web", ADDRESS.format(1), node="typo", id="i", Meta={"xds-weight": "abc", "team": "blue"})
        await consul.register("web", ADDRESS.format(2), node="off", id="i", Meta={"xds-enable": "false"})
        await consul.register("web", ADDRESS.format(4), node="try", id="i", Meta={"env": "test"})
        await consul.register("internal-db", ADDRESS.format(3), node="db", id="i")
        await consul.register("refused", ADDRESS.format(5), node="bad", id="i")
        async with consul_traffic(directory, consul, source=source, services=[bad]) as traffic:
            yield World(traffic)


async def test_each_broken_thing_is_found_by_one_command(tmp_path: Path) -> None:
    async with world(tmp_path) as told:
        typo = await told.until(f"{ADDRESS.format(1)}:80", "xds-weight", "from 1 to 128", "mend it there")
        assert typo.code == 1
        assert any("team=blue" in line and "(node)=typo" in line for line in typo.lines)
        off = await told.until(f"{ADDRESS.format(2)}:80", "not served: dc1 says", "xds-enable is false")
        assert off.code == 1
        excluded = await told.until("internal-db", "dc1 leaves", "'internal-*' in `services.exclude`")
        assert excluded.code == 1
        filtered = await told.until(f"{ADDRESS.format(4)}:80", "not served: dc1 leaves", "`filter`")
        assert filtered.code == 1
        refused = await told.until("refused", "refuses the CDS of default", "mend the cluster's template")
        assert refused.code == 1

        served = await told.until(str(told.traffic.backends.addresses["a"]), "is served in web since", "1 of 1 Envoys")
        assert served.code == 0
        nowhere = await told.told("10.8.8.8:80")
        assert (nowhere.code, "is nowhere (dc1: " in nowhere.conclusion) == (1, True)
        unknown = await told.explain("wbe")
        assert (unknown.status, "did you mean web?" in unknown.error) == (1, True)

        document = json.loads((await told.explain("web", "-o", "json")).output)
        [service] = document["story"]["services"]
        assert {view["accepted"] for view in service["views"]} == {1}
        assert [each["instance"] for each in service["set_aside"]] == ["off/i", "typo/i"]
