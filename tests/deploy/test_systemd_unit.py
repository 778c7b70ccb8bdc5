"""The shipped unit under a real systemd, with a real Consul: no request of an Envoy's client fails through its life.

The story is told by a process of its own, which this file is too, in a network that nobody else has.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import pytest

from bridge.bootstrap import BootstrapOptions, HttpListener, Route, SocketAddress, render
from bridge.envoy_tls import EnvoyTls
from support.backends import Backends, backends
from support.certificates import Authority
from support.consul import ConsulAgent, consul_agent
from support.consul_rights import READ_ALL
from support.envoy import EnvoyProcess
from support.far_network import PATIENCE, tell
from support.load import Load
from support.systemd_machine import SystemdMachine
from support.systemd_service import CONFIG, CREDENTIALS, ORDERS, Service
from support.waiting import eventually

NAME = "spiffe://prod/xds-bridge"
SETTINGS: dict[str, object] = {
    "xds": {
        "listen": "127.0.0.1:18000",
        "tls": {
            "certificate": f"{CREDENTIALS}/tls.crt",
            "private_key": f"{CREDENTIALS}/tls.key",
            "client_ca": f"{CREDENTIALS}/ca.crt",
        },
    },
    "admin": {"listen": "127.0.0.1:19000", "socket": "/run/xds-bridge/admin.sock"},
    "state_directory": "/var/lib/xds-bridge",
}


HEALTHY = "answering Envoys; 3 of 3 sources fresh; 2 endpoints in 1 service; 1 stream"


@dataclass
class World:
    """The service, what it reads, and an Envoy that goes by it and is asked all the time."""

    service: Service
    settings: dict[str, object]
    authority: Authority
    consul: ConsulAgent
    accessor: str
    """Of the token that the bridge has at first."""
    backends: Backends
    load: Load

    @property
    def machine(self) -> SystemdMachine:
        return self.service.machine

    async def unharmed(self) -> None:
        """Nobody whom the Envoy serves has noticed anything."""
        await self.load.more(50)
        assert self.load.failures == []

    async def says(self, text: str) -> None:
        """Wait until this is its status."""

        async def said() -> bool:
            return await self.machine.shows("StatusText") == text

        await eventually(said, timeout=30, what=f"the status {text!r}")


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    async with (
        SystemdMachine(directory) as machine,
        backends("a", "b") as running,
        consul_agent(acl=True) as consul,
    ):
        service, authority = Service(machine), Authority()
        assert (await service.install()).status == 0
        await service.add_saboteur()
        await service.give("ca.crt", authority.certificate)
        accessor = await give_token(service, consul, "first")
        for name, key in running.addresses.items():
            await consul.register("web", key.address, node=f"node-{name}", id=name, port=key.port)
        settings = SETTINGS | {"sources": sources(consul)}
        service.configure(**settings)
        await give_certificate(service, authority)
        await service.drop_in("quick", ["WatchdogSec=6", "MemoryMax=300M"])
        await machine.do("systemctl", "enable", "--now", "xds-bridge")
        # An Envoy that waits for it for too long goes on without clusters.
        await eventually(partial(ready, machine), timeout=120, what="the bridge is ready")
        async with (
            EnvoyProcess(render(envoy(authority, directory)), directory),
            Load("http://127.0.0.1:10000/") as load,
        ):
            yield World(service, settings, authority, consul, accessor, running, load)


async def ready(machine: SystemdMachine) -> bool:
    return (await machine.run("xds-bridge-health", "--ready")).status == 0


def sources(consul: ConsulAgent) -> list[dict[str, object]]:
    file = f"{CREDENTIALS}/consul-token"
    return [
        {"name": "dc1", "type": "consul", "address": consul.address, "token_file": file, "wait": "1s"},
        {"name": "local", "type": "file", "path": "/etc/xds-bridge/endpoints.yaml", "allow_empty": True},
        {"name": "saboteur", "type": "saboteur", "orders": ORDERS, "allow_empty": True},
    ]


async def give_certificate(service: Service, authority: Authority) -> None:
    """Give the bridge a new certificate."""
    pair = authority.issue(NAME)
    await service.give("tls.key", pair.private_key)
    await service.give("tls.crt", pair.certificate)


async def give_token(service: Service, consul: ConsulAgent, name: str) -> str:
    """Give the bridge a new token, which may read everything; returns by what it is revoked."""
    await consul.policy(name, READ_ALL)
    secret, accessor = await consul.token(name)
    await service.give("consul-token", secret.encode())
    return accessor


def envoy(authority: Authority, directory: Path) -> BootstrapOptions:
    own = authority.issue("spiffe://prod/envoy")
    files = {"ca": authority.certificate, "certificate": own.certificate, "private_key": own.private_key}
    for name, content in files.items():
        (directory / name).write_bytes(content)
    tls = EnvoyTls(**{name: PurePosixPath(directory / name) for name in files}, server_name=NAME)
    listener = HttpListener(SocketAddress("127.0.0.1", 10000), (Route("web"),))
    return BootstrapOptions("edge-1", "edge", (SocketAddress("127.0.0.1", 18000),), listeners=(listener,), tls=tls)


async def story(directory: Path) -> None:
    async with world(directory) as here:
        await here.unharmed()
        for chapter in (
            runs_without_rights,
            reloads,
            refuses_a_bad_reload,
            takes_up_what_is_renewed,
            takes_up_a_token_that_was_rotated,
            comes_back_when_killed,
            comes_back_when_blocked,
            comes_back_when_it_eats_too_much,
            ends_in_order,
            misses_a_credential,
            stays_down_with_a_bad_configuration,
        ):
            await chapter(here)
            await here.unharmed()


async def runs_without_rights(here: World) -> None:
    await here.says(HEALTHY)
    process = await here.machine.shows("MainPID")
    (owner,) = {(await here.machine.do("stat", "-c", "%u", f"/proc/{process}")).strip()}
    assert int(owner) >= 61184, "a user that is made for it (systemd.exec(5), DynamicUser=)"
    limits = here.machine.path(f"/proc/{process}/status").read_text()
    assert "CapEff:\t0000000000000000" in limits
    assert "NoNewPrivs:\t1" in limits
    assert (await here.machine.do("stat", "-c", "%a %G", "/run/xds-bridge/admin.sock")).strip() == (
        "660 xds-bridge-operators"
    )


async def reloads(here: World) -> None:
    here.service.configure(**{**here.settings, "cluster_retention": "2h"})

    await here.machine.do("systemctl", "reload", "xds-bridge")

    assert "config.reloaded" in await here.machine.journal()


async def refuses_a_bad_reload(here: World) -> None:
    here.machine.write(CONFIG, "sources: [{name: local, type: fiel}]\n")

    refused = await here.machine.run("systemctl", "reload", "xds-bridge")

    assert refused.status != 0
    assert "the last reload was refused (" in await here.machine.shows("StatusText")
    assert await here.machine.shows("ActiveState") == "active"
    here.service.configure(**here.settings)
    await here.machine.do("systemctl", "reload", "xds-bridge")
    await here.says(HEALTHY)


async def takes_up_what_is_renewed(here: World) -> None:
    before = (await here.machine.journal()).count("tls.loaded")
    await give_certificate(here.service, here.authority)

    async def taken_up() -> bool:
        return (await here.machine.journal()).count("tls.loaded") > before

    await eventually(taken_up, timeout=60, what="the renewed certificate is taken up")
    assert "tls.rejected" not in await here.machine.journal()


async def takes_up_a_token_that_was_rotated(here: World) -> None:
    """The old one is revoked, and what is registered from then on arrives."""
    await give_token(here.service, here.consul, "second")
    await here.consul.request("DELETE", f"/v1/acl/token/{here.accessor}")
    key = await here.backends.start("c")

    await here.consul.register("web", key.address, node="node-c", id="c", port=key.port)

    await eventually(lambda: here.load.answers["c"] > 0, timeout=60, what="a new endpoint gets requests")
    await here.consul.deregister("node-c", "c")
    await here.says(HEALTHY)


async def comes_back_when_killed(here: World) -> None:
    restarts = await here.service.restarts()

    await here.machine.do("systemctl", "kill", "--kill-who=main", "--signal=KILL", "xds-bridge")

    await here.service.comes_back(restarts + 1)


async def comes_back_when_blocked(here: World) -> None:
    restarts = await here.service.restarts()

    here.service.order("block")

    await here.service.comes_back(restarts + 1)
    assert "Watchdog timeout" in await here.machine.journal()


async def comes_back_when_it_eats_too_much(here: World) -> None:
    restarts = await here.service.restarts()

    here.service.order("eat")

    await here.service.comes_back(restarts + 1)


async def ends_in_order(here: World) -> None:
    await here.machine.do("systemctl", "stop", "xds-bridge")

    assert await here.machine.shows("Result") == "success"
    assert (await here.machine.journal()).count("bridge.stopped") == 1, "its first end that was asked for"
    await here.unharmed()
    await here.machine.do("systemctl", "start", "xds-bridge")


async def misses_a_credential(here: World) -> None:
    await here.service.drop_in("credential", ["LoadCredential=consul-token:/etc/xds-bridge/absent"])

    refused = await here.machine.run("systemctl", "restart", "xds-bridge")

    assert refused.status != 0
    assert await here.machine.shows("ExecMainStatus") == "243", "CREDENTIALS of systemd.exec(5)"
    await here.unharmed()
    await here.service.drop_in("credential")
    await here.machine.do("systemctl", "restart", "xds-bridge")


async def stays_down_with_a_bad_configuration(here: World) -> None:
    here.machine.write(CONFIG, "sources: [{name: local, type: fiel}]\n")

    refused = await here.machine.run("systemctl", "restart", "xds-bridge")

    assert refused.status != 0
    assert await here.machine.shows("ExecMainStatus") == "78"
    assert await here.machine.shows("ActiveState") == "failed", "nobody tries again what cannot work"
    await here.unharmed()
    here.service.configure(**here.settings)
    await here.machine.do("systemctl", "start", "xds-bridge")


@pytest.mark.timeout(PATIENCE)
async def test_no_request_fails_through_the_life_of_the_service(tmp_path: Path, repository: Path) -> None:
    assert await tell(__file__, tmp_path, repository, superuser=True) == ""


if __name__ == "__main__":
    asyncio.run(story(Path(sys.argv[1])))
