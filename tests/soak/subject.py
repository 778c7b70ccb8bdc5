"""One Envoy of the soak: load on each service through it, and what it must have compared with what it has, always."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bridge.bootstrap import ApiType, BootstrapOptions, HttpListener, Route, SocketAddress, render
from soak.script import SERVICES
from soak.truth import Expectation, Hosts
from support.envoy import EnvoyProcess, envoy
from support.load import Load
from support.ports import free_port
from support.transports import Json, without_retries
from support.waiting import eventually

PAUSE = 0.1
"""Seconds between two requests on one connection: the load is to be there all the time, and not to take the machine."""

BACK = {"retry_back_off": {"base_interval": "0.25s", "max_interval": "2s"}}
"""How long an Envoy waits before it comes back to a bridge: with its default of 30 s, there would be little else."""

PATIENCE = 90.0
"""Seconds that a request may take, so that none is given up while its Envoy is frozen."""

CONVERGENCE = 120.0
"""Seconds after which who has not followed never will; a bridge waits up to 30 s before it tries a source again."""

LOOK = 0.25
"""Seconds between two looks at what an Envoy has."""


@dataclass
class Subject:
    """An Envoy that gets its endpoints from one bridge or from either of two."""

    name: str
    bridges: frozenset[str]
    """Names of the bridges that it can go to."""
    envoy: EnvoyProcess
    loads: Sequence[Load]
    truth: Expectation = field(default_factory=Expectation)
    wrong: list[str] = field(default_factory=list)
    """What was not as it must be, whenever somebody looked."""
    frozen: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while Envoy is asked, which must not be frozen meanwhile, and for as long as it is frozen."""
    _moved: dict[str, int] = field(default_factory=dict)

    async def hosts(self) -> Hosts:
        """What it has."""
        clusters = await self.envoy.clusters()
        return {service: {key: host.health for key, host in clusters.get(service, {}).items()} for service in SERVICES}

    async def look(self) -> None:
        """Compare what it has with what it must have."""
        async with self._turn:
            age = self.truth.age
            found = await self.hosts()
            if age == self.truth.age:
                self.wrong += [f"{self.name}: {each}" for each in self.truth.objections(found)]

    async def watch(self) -> None:
        """Look all the time, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def freeze(self) -> None:
        """Stop it (SIGSTOP)."""
        await self._turn.acquire()
        self.frozen = True
        self.envoy.pause()

    def thaw(self) -> None:
        """Let it go on."""
        self.envoy.resume()
        self.frozen = False
        self._turn.release()

    async def follows(self, services: Collection[str]) -> None:
        """Wait until it has exactly what it is to have of these services; from then on nothing else is right."""
        try:
            await eventually(partial(self._met, services), timeout=CONVERGENCE)
        except AssertionError as error:
            missing = self.truth.difference(await self.hosts(), services)
            raise AssertionError(f"{self.name} has not followed: {'; '.join(missing)}") from error
        for service, moved in (await self._moves(services)).items():
            since = moved - self._moved.get(service, 0)
            self._moved[service] = moved
            self.wrong += [f"{self.name}: {each}" for each in self.truth.followed(service, since)]

    async def answers(self, requests: int) -> None:
        """Wait for further requests on each service; none ever fails."""
        await asyncio.gather(*(load.more(requests) for load in self.loads))

    def failures(self) -> list[str]:
        """Requests that failed."""
        return [f"{self.name} {load.url}: {failure}" for load in self.loads for failure in load.failures]

    def requests(self) -> int:
        """How many were answered."""
        return sum(load.answers.total() for load in self.loads)

    async def _met(self, services: Collection[str]) -> bool:
        return not self.truth.difference(await self.hosts(), services)

    async def _moves(self, services: Collection[str]) -> dict[str, int]:
        names = {service: f"cluster.{service}.membership_change" for service in services}
        stats = await self.envoy.stats("cluster.")
        return {service: stats[name] for service, name in names.items()}


@asynccontextmanager
async def subject(name: str, api: ApiType, bridges: dict[str, int], directory: Path) -> AsyncIterator[Subject]:
    """An Envoy with load.

    Args:
        name: of it.
        api: how it asks.
        bridges: the ports on which it reaches bridges, by their names.
        directory: for its files.
    """
    port = free_port()
    routes = tuple(Route(service, f"/{service}") for service in SERVICES)
    options = BootstrapOptions(
        node_id=name,
        node_cluster="soak",
        bridges=tuple(SocketAddress("127.0.0.1", each) for each in bridges.values()),
        api_type=api,
        listeners=(HttpListener(SocketAddress("127.0.0.1", port), routes),),
    )
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(envoy(_patient(without_retries(render(options))), directory))
        loads = [
            await stack.enter_async_context(
                Load(f"http://127.0.0.1:{port}/{service}", workers=1, pause=PAUSE, patience=PATIENCE)
            )
            for service in SERVICES
        ]
        yield Subject(name, frozenset(bridges), process, loads)


def _patient(bootstrap: Json) -> Json:
    """The bootstrap with routes that wait for ever, since clocks go on while an Envoy is frozen; see also `BACK`."""
    more: dict[str, Json] = {"route": {"timeout": "0s"}, "envoy_grpc": {"retry_policy": BACK}}

    def changed(part: object) -> object:
        if isinstance(part, dict):
            return {key: changed({**value, **more[key]} if key in more else value) for key, value in part.items()}
        return [changed(each) for each in part] if isinstance(part, list) else part

    return {key: changed(value) for key, value in bootstrap.items()}
