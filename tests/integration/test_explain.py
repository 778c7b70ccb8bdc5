"""`xds-bridge explain` with a real Consul and a real Envoy: each broken thing is told of in its last line."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.bridge import Json
from support.command import command
from support.consul import consul_agent
from support.consul_traffic import ConsulTraffic, consul_traffic
from support.envoy_content import BAD_TEMPLATE, Bad
from support.waiting import eventually

ADDRESS = "10.9.0.{}"


@dataclass
class World:
    traffic: ConsulTraffic

    async def told(self, target: str, *words: str, finding: bool = True) -> str:
        """The story once these words are in its conclusion."""
        stories: list[Json] = []

        async def matches() -> bool:
            stories.append(await self.traffic.bridge.get(f"/api/v1/explain?target={target}"))
            return all(word in str(stories[-1]["conclusion"]) for word in words)

        await eventually(matches, timeout=60, what=f"{target}: {words}")
        assert stories[-1]["finding"] is finding
        return json.dumps(stories[-1]["story"])


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    bad = {"match": "refused", "cluster": BAD_TEMPLATE[Bad.UNREAD]}
    source: Json = {"services": {"exclude": ["internal-*"]}, "filter": 'Service.Meta.env != "test"'}
    async with consul_agent() as consul:
        await consul.register("web", ADDRESS.format(1), node="typo", id="i", Meta={"xds-weight": "abc", "team": "blue"})
        await consul.register("web", ADDRESS.format(2), node="off", id="i", Meta={"xds-enable": "false"})
        await consul.register("web", ADDRESS.format(4), node="try", id="i", Meta={"env": "test"})
        await consul.register("internal-db", ADDRESS.format(3), node="db", id="i")
        await consul.register("refused", ADDRESS.format(5), node="bad", id="i")
        async with consul_traffic(directory, consul, source=source, services=[bad]) as traffic:
            yield World(traffic)


async def test_each_broken_thing_is_told_of_in_one_line(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        typo = await here.told(f"{ADDRESS.format(1)}:80", "not served: dc1 says", "from 1 to 128", "mend it there")
        assert '"team": "blue"' in typo
        await here.told(f"{ADDRESS.format(2)}:80", "not served: dc1 says", "xds-enable is false")
        await here.told("internal-db", "not served: dc1 leaves", "'internal-*' in `services.exclude`")
        await here.told(f"{ADDRESS.format(4)}:80", "not served: dc1 leaves", "`filter`")
        await here.told("refused", "refuses the CDS of default", "mend the cluster's template")
        await here.told("10.8.8.8:80", "10.8.8.8:80 is nowhere (dc1: 3 of 4 services of datacenter dc1)")

        served = str(here.traffic.backends.addresses["a"])
        await here.told(served, "is served in web since", "1 of 1 Envoys", finding=False)

        outcome = await command("explain", "web", "--admin", here.traffic.bridge.url(""))
        assert outcome.status == 0
        assert "web is served with 2 endpoints" in outcome.output.splitlines()[-1]
        assert "because: instance 'i' on node 'typo': label 'xds-weight'" in outcome.output
