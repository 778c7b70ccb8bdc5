"""What `services` and `events` tell of a running bridge with a real Consul and a file beside it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.model import EndpointKey
from support.bridge import BridgeProcess, Json
from support.cli import fields
from support.command import Outcome, command
from support.consul import ConsulAgent, consul_agent
from support.endpoints_file import EndpointsFile
from support.waiting import eventually

SHARED = EndpointKey("10.0.0.9", 80)

CRITICAL = [{"CheckID": "http", "Name": "http", "Status": "critical", "ServiceID": "pay-10.0.0.1"}]


class Watched:
    """A bridge that reads a Consul and a file, and somebody who asks it."""

    def __init__(self, directory: Path, consul: ConsulAgent) -> None:
        self.consul = consul
        self.file = EndpointsFile(directory / "endpoints.json")
        dc1: Json = {"name": "dc1", "type": "consul", "address": consul.address, "services": {"exclude": ["consul"]}}
        rules = [
            {"match": "pa*", "merge": {"policy": "weighted", "weights": {"dc1": 60, "local": 40}}},
            {"match": "wbe", "merge": {"policy": "first"}},
        ]
        kept = str(directory / "state")
        self.bridge = BridgeProcess(directory, [dc1, self.file.source()], services=rules, state_directory=kept)
        self.url = f"http://127.0.0.1:{self.bridge.admin_port}"

    async def tells(self, *arguments: object) -> Outcome:
        return await command(*arguments, "--admin", self.url)

    async def serves(self, services: set[str]) -> bool:
        found = (await self.bridge.get("/api/v1/services"))["services"]
        assert isinstance(found, list)
        return {each["name"] for each in found} == services


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    async with consul_agent() as consul:
        watched = Watched(tmp_path, consul)
        await consul.register("pay", "10.0.0.1", Checks=CRITICAL)
        await consul.register("api", SHARED.address, Meta={"xds-protocol": "grpc"})
        watched.file.replace(
            {
                "pay": [{"address": "10.0.1.1", "port": 80}],
                "api": [{"address": SHARED.address, "port": SHARED.port, "protocol": "http2"}],
                "db": [{"address": "db.internal", "port": 80}],
            }
        )
        async with watched.bridge:
            await eventually(lambda: watched.serves({"pay", "api", "db"}))
            yield watched


async def test_services_and_events_tell_who_rules_what_was_decided_and_what_happened(watched: Watched) -> None:
    await _services_tell(watched)
    await _events_tell(watched)


async def _services_tell(watched: Watched) -> None:
    table = await watched.tells("services")
    by_file = await command("services", "-o", "json", "--config", watched.bridge.config)
    as_yaml = await watched.tells("services", "-o", "yaml")

    lines = [fields(line) for line in table.output.splitlines()]
    assert lines == [
        ["service", "policy", "by", "healthy", "sources", "remarks"],
        ["api", "union", "default", "1/1", "dc1 1, local 0"],
        ["db", "union", "default", "0/0", "1 set aside"],
        [
            "pay",
            "weighted",
            "services[0] pa*",
            "1/2",
            "dc1 0% of requests, asked for 60%, local 100% of requests, asked for 40%",
            "dc1 gave 60% away: it has no healthy endpoint",
        ],
        [],
        ["conflict in", "about", "decided by"],
        [
            "api",
            "10.0.0.9:80: dc1 before local",
            "the source that stands first in the configuration wins an address",
        ],
        ["api", "protocol: grpc (dc1), http2 (local)", "none: they never agreed"],
        [],
        ["note: services[1].match: 'wbe' counts for nothing: no service has such a name"],
    ]
    found = by_file.json["services"]
    assert isinstance(found, list)
    assert [(each["name"], each["rule"], each["diverted"], each["set_aside"]) for each in found] == [
        ("api", None, False, 0),
        ("db", None, False, 1),
        ("pay", "services[0]", True, 0),
    ]
    assert as_yaml.output.startswith("services:")
    assert (table.status, by_file.status, as_yaml.status) == (0, 0, 0)


async def _events_tell(watched: Watched) -> None:
    await watched.consul.check("vm1", "http", "passing", service_id="pay-10.0.0.1")
    await watched.consul.deregister("vm1", "api-10.0.0.9")
    watched.file.replace({"pay": [{"address": "10.0.1.1", "port": 80}]})
    await eventually(lambda: _removed(watched, {"pay"}))

    of_pay = await watched.tells("events", "pay", "-o", "json")
    of_shared = await watched.tells("events", str(SHARED), "-o", "json")
    of_local = await watched.tells("events", "db", "--source", "local")
    unknown = await watched.tells("events", "--source", "loacl")
    none = await watched.tells("events", "nothing")

    events = [json.loads(line) for line in of_pay.output.splitlines()]
    assert {(each["action"], each["source"], each["endpoint"], each["why"]) for each in events} == {
        ("added", "dc1", "10.0.0.1:80", "a complete read shows it"),
        ("added", "local", "10.0.1.1:80", "a complete read shows it"),
        ("changed", "dc1", "10.0.0.1:80", "a complete read says health healthy in place of unhealthy"),
    }
    assert all(each["at"] > 1e9 and each["scope"] for each in events)
    removed = [json.loads(line) for line in of_shared.output.splitlines()]
    assert {(each["action"], each["source"]) for each in removed} == {
        (action, source) for action in ("added", "removed") for source in ("dc1", "local")
    }
    line = fields(of_local.output.splitlines()[0])
    assert line[1:3] == ["set_aside", "db db.internal:80"]
    assert line[3].startswith("[local")
    assert "is not an IP address" in line[4]
    assert unknown.status == 1
    assert unknown.error == "source: there is none called 'loacl'; there are dc1, local\n"
    assert (none.status, none.output) == (1, "")
    assert none.error.startswith("service: neither served nor remembered is 'nothing'; ")
    assert none.error.endswith("(an endpoint is written as IP:PORT)\n")
    assert len((watched.bridge.config.parent / "state" / "audit.jsonl").read_text().splitlines()) >= len(events)
    assert [each["endpoint"] for each in watched.bridge.events("endpoint.set_aside")] == ["db.internal:80"]


async def _removed(watched: Watched, services: set[str]) -> bool:
    """Whether nothing but these services has an endpoint, and all of them that are healthy are."""
    found = (await watched.bridge.get("/api/v1/services"))["services"]
    assert isinstance(found, list)
    left = {each["name"]: each["endpoints"]["unhealthy"] for each in found if sum(each["endpoints"].values())}
    return left == dict.fromkeys(services, 0)


@asynccontextmanager
async def following(*arguments: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamReader]]:
    """`xds-bridge events --follow` with what it prints: events, and notes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "events", "--follow", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process.stdout, process.stderr
    finally:
        process.kill()
        await process.wait()


async def test_who_follows_events_misses_none_across_a_restart(tmp_path: Path) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    file.set("web", [EndpointKey("10.0.0.1", 80)])
    bridge = BridgeProcess(tmp_path, [file.source()])
    url = f"http://127.0.0.1:{bridge.admin_port}"
    async with bridge, following("web", "--admin", url) as (events, notes), asyncio.timeout(120):
        first = (await events.readline()).decode()
        file.set("web", [EndpointKey(f"10.0.0.{number}", 80) for number in (1, 2)])
        second = (await events.readline()).decode()
        await bridge.kill()
        gone = (await notes.readline()).decode()
        await bridge.start()
        anew = (await notes.readline()).decode()
        again = {(await events.readline()).decode().split()[4] for _ in range(2)}

    assert "10.0.0.1:80" in first
    assert "10.0.0.2:80" in second
    assert gone.startswith("note: cannot reach a bridge on")
    assert "asking again until it answers" in gone
    assert anew == "note: the bridge was started anew, and so do the events\n"
    assert again == {"10.0.0.1:80", "10.0.0.2:80"}
