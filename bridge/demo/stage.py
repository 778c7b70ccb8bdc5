"""Everything that the demo runs, started in the order in which it is needed and ended in the opposite one."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession

from bridge.demo import consul
from bridge.demo.backend import Backend
from bridge.demo.bridge import BridgeView
from bridge.demo.consul import ConsulView
from bridge.demo.document import SERVICE, Row, write_bootstrap, write_configuration, write_endpoints
from bridge.demo.envoy import EnvoyView
from bridge.demo.option import DemoError, DemoOptions, Ports, choose_ports, find_consul, find_envoy
from bridge.demo.process import Child
from bridge.demo.screen import Screen

IN_FILE = ("one", "two", "three")
"""Backends that the file names from the start."""

SPARE = "four"
"""A backend that nothing names at first."""

IN_CONSUL = "five"
"""The backend that registers with Consul."""

START_TIMEOUT = 30.0
"""Seconds that any part has to come up; the slowest is Envoy on a machine that is busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is running."""

    directory: Path
    ports: Ports
    backends: dict[str, Backend]
    process: Child
    """The bridge's."""
    bridge: BridgeView
    envoy: EnvoyView
    consul: ConsulView | None
    screen: Screen

    def rows(self, *names: str) -> list[Row]:
        """Healthy endpoints of backends, for the file."""
        return [Row(self.backends[name].port) for name in names]


@asynccontextmanager
async def raised(options: DemoOptions, directory: Path, screen: Screen) -> AsyncIterator[Stage]:
    """Start everything; end everything, whatever happens.

    Raises:
        ExceptionGroup: of `DemoError`: a part cannot be had or does not come up, or a child died.
    """
    ports = choose_ports(len(IN_FILE) + 2)
    programs = find_envoy(options), find_consul(options)
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        builder = _Builder(directory, ports, screen, group, stack)
        session = await stack.enter_async_context(ClientSession())
        backends = await builder.backends()
        catalog = await builder.consul(programs[1], session, backends[IN_CONSUL]) if programs[1] else None
        child, bridge = await builder.bridge(session, backends, consul=catalog is not None)
        envoy = await builder.envoy(programs[0], session)
        yield Stage(
            directory=directory,
            ports=ports,
            backends=backends,
            process=child,
            bridge=bridge,
            envoy=envoy,
            consul=catalog,
            screen=screen,
        )


class _Builder:
    """Starts the parts, and leaves the ending of each on the stack."""

    def __init__(
        self, directory: Path, ports: Ports, screen: Screen, group: asyncio.TaskGroup, stack: AsyncExitStack
    ) -> None:
        self._directory = directory
        self._ports = ports
        self._screen = screen
        self._group = group
        self._stack = stack

    async def backends(self) -> dict[str, Backend]:
        names = (*IN_FILE, SPARE, IN_CONSUL)
        made = {name: Backend(name, port) for name, port in zip(names, self._ports.backends, strict=True)}
        with self._screen.doing(f"starting {len(made)} small HTTP backends"):
            for backend in made.values():
                self._stack.push_async_callback(backend.stop)
                try:
                    await backend.start()
                except OSError as error:
                    raise DemoError(
                        f"the backend {backend.name} cannot listen on {backend.address}: {error}"
                    ) from error
        return made

    async def consul(self, program: Path, session: ClientSession, backend: Backend) -> ConsulView:
        view = ConsulView(session, self._ports)
        with self._screen.doing("starting Consul"):
            await self._start("consul", consul.command(program, self._ports))
            await until(view.ready, "Consul has no leader")
        with self._screen.doing(f"registering the backend {backend.name} with it"):
            await view.register(backend)
        return view

    async def bridge(
        self, session: ClientSession, backends: dict[str, Backend], *, consul: bool
    ) -> tuple[Child, BridgeView]:
        write_endpoints(self._directory, [Row(backends[name].port) for name in IN_FILE])
        configuration = write_configuration(self._directory, self._ports, consul=consul)
        view = BridgeView(session, self._ports)
        with self._screen.doing("starting the bridge"):
            child = await self._start("bridge", [sys.executable, "-m", "bridge", "run", "--config", configuration])
            await until(view.ready, "the bridge is not ready")
        return child, view

    async def envoy(self, program: Path, session: ClientSession) -> EnvoyView:
        view = EnvoyView(session, self._ports)
        bootstrap = write_bootstrap(self._directory, self._ports)

        async def serving() -> bool:
            return bool(await view.hosts(SERVICE))

        with self._screen.doing("starting Envoy"):
            # Without hot restart it needs no base id, so any number of them run side by side.
            quiet = ("--disable-hot-restart", "--log-level", "warning", "--concurrency", "2")
            await self._start("envoy", [program, "-c", bootstrap, *quiet])
            await until(serving, f"Envoy has no endpoint of {SERVICE}")
        return view

    async def _start(self, name: str, command: list[str | Path]) -> Child:
        child = Child(name, command, self._directory, self._group)
        await child.start()
        self._stack.push_async_callback(child.stop)
        return child


async def until(condition: Callable[[], Awaitable[bool]], otherwise: str, timeout: float = START_TIMEOUT) -> float:
    """Wait for a condition, and say how many seconds it took.

    Raises:
        DemoError: it did not hold in time; the message begins with `otherwise`.
    """
    started = time.monotonic()
    while not await condition():
        if time.monotonic() - started > timeout:
            raise DemoError(f"{otherwise} after {timeout:g} s")
        await asyncio.sleep(0.005)
    return time.monotonic() - started
