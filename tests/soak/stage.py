"""Everything that runs in a soak: what endpoints are registered in, two bridges, three Envoys, and the endpoints."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from bridge.bootstrap import ApiType
from soak.registries import InConsul, InEcs, InFile, Json, Place, Registry
from soak.script import BRIDGES, SERVICES, start
from soak.subject import Subject, subject
from soak.truth import Expectation
from support.aws import moto_server, use_credentials
from support.backends import Backends, backends
from support.bridge import BridgeProcess
from support.listening import listening
from support.ports import free_port
from support.small_disk import on_small_disk
from support.tcp_proxy import TcpProxy, tcp_proxy
from support.waiting import eventually

ONE, TWO = BRIDGES

RELEASE = "20s"
"""How long what is taken out is held after a source was blind: far longer than it takes to register all anew, and not
so long that the next steps would wait for it."""

DISK = "size=96m"
"""Of the state directory of bridge one: the audit trail has room for all the files that are kept of it."""


@dataclass
class Stage:
    """What steps act on, and what is true."""

    directory: Path
    backends: Backends
    consul: InConsul
    file: InFile
    ecs: InEcs
    bridges: dict[str, BridgeProcess]
    cable: TcpProxy
    """Between bridge one and the Envoy that has no other."""
    subjects: dict[str, Subject] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    """The endpoints that are registered."""
    ending: list[Place] = field(default_factory=list)
    """Endpoints that were taken out, and that run until nobody has them any more."""
    away: set[str] = field(default_factory=set)
    """Bridges that do not answer now."""

    @property
    def registries(self) -> dict[str, Registry]:
        return dict(zip(SERVICES, (self.consul, self.file, self.ecs), strict=True))

    @property
    def sources(self) -> list[Json]:
        """How the bridges read them, in order of precedence."""
        return [registry.source for registry in self.registries.values()]

    async def add(self, name: str) -> None:
        """Start an endpoint and register it."""
        place = Place(name, await self.backends.start(name, *self.registries[name.partition("-")[0]].address()))
        self.places[name] = place
        self.want(place, place.health)
        await self.registries[place.service].tell(place)

    async def drop(self, name: str) -> None:
        """Take an endpoint out where it is registered."""
        place = self.places.pop(name)
        self.ending.append(place)
        self.want(place, None)
        await self.registries[place.service].remove(place)

    async def check(self, name: str, *, up: bool) -> None:
        """Change what its check says."""
        place = self.places[name]
        place.up = up
        self.want(place, place.health)
        await self.registries[place.service].tell(place)

    async def drain(self, name: str, *, drained: bool) -> None:
        """Drain an endpoint, on each bridge, or end that."""
        place = self.places[name]
        place.drained = drained
        self.want(place, place.health)
        for bridge in BRIDGES:
            length = {"seconds": 30 * 24 * 3600.0} if drained else {}
            await self.ask(bridge, "drain" if drained else "undrain", target=str(place.key), **length)

    def want(self, place: Place, health: str | None) -> None:
        """Tell each Envoy's truth of a change, before anybody else hears of it."""
        for each in self.subjects.values():
            each.truth.want(place.service, str(place.key), health)

    async def ask(self, bridge: str, verb: str, **body: object) -> None:
        """Act as an operator, through the unix socket."""
        connector = aiohttp.UnixConnector(str(self.socket(bridge)))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"http://localhost/api/v1/{verb}", json=body) as response,
        ):
            assert response.status == 200, f"{bridge}: {verb} {body}: {await response.text()}"

    def socket(self, bridge: str) -> Path:
        return _socket(self.directory, bridge)

    def state(self, bridge: str) -> Path:
        """The state directory as the bridge sees it; that of bridge one is on a disk of its own."""
        process = self.bridges[bridge].process
        return Path(f"/proc/{process.pid}/root{_state(self.directory, bridge)}")

    async def kept(self) -> None:
        """Wait until the state of bridge two says what its Envoy must have, so that `kill -9` costs nothing."""
        [truth] = [each.truth for each in self.subjects.values() if each.bridges == {TWO}]
        await eventually(lambda: _kept(self.state(TWO), truth), timeout=60, what="bridge two has kept its state")

    async def failing(self, source: str) -> None:
        """Wait until each bridge that answers says that a source fails."""
        for name in self.present():
            await eventually(partial(self._fails, name, source), timeout=60, what=f"{source} fails for {name}")

    def present(self) -> list[str]:
        """The bridges that answer."""
        return [name for name in BRIDGES if name not in self.away]

    async def converge(self, blind: Collection[str]) -> None:
        """Wait until all Envoys have what they are to have, but for those and for the services that are blind."""
        services = [service for service in SERVICES if service not in blind]
        await asyncio.gather(*(each.follows(services) for each in self.subjects.values() if each.name not in blind))
        if not blind:
            await self._end()

    async def answers(self, requests: int) -> None:
        """Wait for further requests on each service through each Envoy that is not frozen."""
        await asyncio.gather(*(each.answers(requests) for each in self.subjects.values() if not each.frozen))

    def wrong(self) -> list[str]:
        """What must not be: requests that failed, endpoints that were missing."""
        return [each for subject in self.subjects.values() for each in (*subject.failures(), *subject.wrong)]

    async def _fails(self, bridge: str, source: str) -> bool:
        failing = (await self.bridges[bridge].get("/api/v1/status"))["sources_failing"]
        return isinstance(failing, list) and source in failing

    async def _end(self) -> None:
        """End the endpoints that nobody has any more, once what they were asked is answered."""
        if self.ending:
            await self.answers(2)
        for place in self.ending:
            await self.backends.stop(place.name)
            if place.service == "jobs":
                self.ecs.forget(place)
        self.ending.clear()


@asynccontextmanager
async def stage(directory: Path) -> AsyncIterator[Stage]:
    """Everything started, with load, and followed by all."""
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        use_credentials(patch)
        consul = InConsul(directory / "consul")
        stack.push_async_callback(consul.agent.kill)
        await consul.agent.start()
        consul.proxy.port = await stack.enter_async_context(listening(consul.proxy.serve))
        ecs = InEcs(stack.enter_context(moto_server()), free_port())
        ecs.proxy.port = await stack.enter_async_context(listening(ecs.proxy.serve))
        file = InFile(directory / "endpoints.json")
        running = await stack.enter_async_context(backends())
        sources = [consul.source, file.source, ecs.source]
        bridges = {name: _bridge(directory, name, sources) for name in BRIDGES}
        cable = await stack.enter_async_context(tcp_proxy(bridges[ONE].xds_port))
        made = Stage(directory, running, consul, file, ecs, bridges, cable)
        for name in start():
            await made.add(name)
        await _start(made, stack)
        yield made


async def _start(made: Stage, stack: AsyncExitStack) -> None:
    for name, bridge in made.bridges.items():
        stack.push_async_callback(_end_bridge, bridge)
        await bridge.start(command=_on_disk(made.directory) if name == ONE else ("-m", "bridge"))
    one, two = (made.bridges[name].xds_port for name in BRIDGES)
    for name, api, ports in (
        ("sotw", ApiType.GRPC, {ONE: made.cable.port}),
        ("delta", ApiType.DELTA_GRPC, {TWO: two}),
        ("either", ApiType.DELTA_GRPC, {ONE: one, TWO: two}),
    ):
        made.subjects[name] = await stack.enter_async_context(subject(name, api, ports, made.directory))
    for place in made.places.values():
        made.want(place, place.health)
    for each in made.subjects.values():
        each.truth.tolerate(SERVICES, 100)  # a new cluster is filled as Envoy likes
        await each.follows(SERVICES)
        watching = asyncio.create_task(each.watch())
        stack.push_async_callback(_cancel, watching)


async def _end_bridge(bridge: BridgeProcess) -> None:
    if bridge.running:
        await bridge.kill()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def _bridge(directory: Path, name: str, sources: list[dict[str, object]]) -> BridgeProcess:
    _state(directory, name).mkdir(parents=True)
    bridge = BridgeProcess(directory / name, sources, state_directory=str(_state(directory, name)), startup_grace="1s")
    bridge.settings["guard"] = {"release_after": RELEASE}
    bridge.settings["admin"] = {"listen": f"127.0.0.1:{bridge.admin_port}", "socket": str(_socket(directory, name))}
    bridge.write(bridge.settings)
    return bridge


def _state(directory: Path, bridge: str) -> Path:
    return directory / bridge / "state"


def _socket(directory: Path, bridge: str) -> Path:
    return directory / f"{bridge.split()[1]}.sock"


def _on_disk(directory: Path) -> tuple[str, ...]:
    prefix = on_small_disk(_state(directory, ONE), sys.executable, "-m", "bridge", options=DISK)
    return ("-c", f"import os, sys; os.execvp('unshare', {prefix!r} + sys.argv[1:])")


def _kept(state: Path, truth: Expectation) -> bool:
    """Whether what is kept is what the truth allows."""
    try:
        content = json.loads((state / "state.json").read_text())["content"]
    except FileNotFoundError:
        return False
    drained = [tuple(each["target"]) for each in content["drains"]]
    found = {
        service["service"]: dict(_endpoints(service["endpoints"], drained))
        for source in content["sources"]
        for service in source["services"]
    }
    return truth.objections(found) == []


def _endpoints(kept: list[list[object]], drained: list[tuple[object, ...]]) -> Iterator[tuple[str, str]]:
    for address, port, health, *_ in kept:
        yield f"{address}:{port}", "DRAINING" if (address, port) in drained else str(health).upper()
