"""Traffic through Envoy on a service that is in a file, and what must not change of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.backends import backends
from support.bridge import BridgeProcess
from support.endpoints_file import EndpointsFile
from support.envoy import EnvoyProcess
from support.load import Load
from support.subject import Subject
from support.traffic import Traffic
from support.transports import Bootstrap, Transport
from support.waiting import eventually

PATIENCE = 60.0
"""Seconds for what must come sooner or later, also on a machine that is busy."""


@dataclass
class FileTraffic(Traffic):
    """A service `web` of the backends `a` and `b` in a file, with traffic on it; `c` is not in the file yet."""

    file: EndpointsFile

    def offer(self, *names: str) -> None:
        """Have exactly these backends in the file."""
        self.file.set("web", [self.backends.addresses[name] for name in names])

    async def until(self, *names: str, of: EnvoyProcess | None = None) -> None:
        """Wait until an Envoy, by default the one with the traffic, has exactly these backends."""
        expected = {str(self.backends.addresses[name]) for name in names}
        subject = of or self.envoy

        async def matches() -> bool:
            return set((await subject.clusters()).get(self.cluster, {})) == expected

        await eventually(matches, timeout=PATIENCE, what=f"Envoy has {names}, see {subject.log}")

    def kept(self, state: Path) -> set[str]:
        """Which of the backends a state file knows."""
        text = state.read_text()
        keys = self.backends.addresses.items()
        return {name for name, key in keys if f'["{key.address}",{key.port},' in text}

    async def until_kept(self, state: Path, *names: str) -> None:
        """Wait until a state file knows exactly these backends."""
        await eventually(
            lambda: state.exists() and self.kept(state) == set(names), timeout=PATIENCE, what=f"{names} are kept"
        )

    async def history(self) -> Mapping[str, int]:
        """Counters that stay as they are while neither clusters nor their endpoints change."""
        found = await Subject(self.envoy, self.load.url).history()
        assert (await self.envoy.changes(self.cluster)).keys() <= found.keys()
        return found

    async def stat(self, name: str) -> int:
        """A counter or gauge of the Envoy with the traffic."""
        return (await self.envoy.counts(name))[name]

    async def until_stat(self, name: str, value: int) -> None:
        """Wait until a counter or gauge of that Envoy has a value."""

        async def has() -> bool:
            return await self.stat(name) == value

        await eventually(has, timeout=PATIENCE, what=f"{name} is {value}, see {self.envoy.log}")

    async def updates(self) -> int:
        """How often that Envoy was told the endpoints."""
        return await self.stat(f"cluster.{self.cluster}.update_success")

    async def told_again(self, before: int) -> None:
        """Wait until it was told once more, which on a new stream it is without a change."""

        async def told() -> bool:
            return await self.updates() > before

        await eventually(told, timeout=PATIENCE, what="Envoy has come back")

    async def streams(self, number: int) -> None:
        """Wait until the bridge has so many open streams."""

        async def counted() -> bool:
            samples = await self.bridge.metrics()
            return number == sum(value for name, value in samples.items() if name.startswith("xds_bridge_xds_streams{"))

        await eventually(counted, timeout=PATIENCE, what=f"{number} streams")

    async def converges(self, *names: str) -> None:
        """A change of the file arrives, and no request has failed since the beginning."""
        self.offer(*names)
        await self.until(*names)
        assert await self.answering(100) == set(names)


@asynccontextmanager
async def file_traffic(
    directory: Path,
    transport: Transport,
    *,
    command: tuple[str, ...] = ("-m", "bridge"),
    host: str = "127.0.0.1",
    impatient: bool = False,
    limits: Mapping[str, object] | None = None,
    **config: object,
) -> AsyncIterator[FileTraffic]:
    """A bridge, an Envoy without any retry, and requests.

    Args:
        directory: for all files.
        transport: of the Envoy.
        command: that is the bridge.
        host: on which Envoys are listened for.
        impatient: have both ends probe each other every second.
        limits: of the bridge, for its clients.
        config: further keys of the bridge's configuration.
    """
    file = EndpointsFile(directory / "endpoints.json")
    probes = {"keepalive_interval": "1s", "keepalive_timeout": "2s"} if impatient else {}
    bridge = BridgeProcess(directory / "bridge", [file.source()], **config)
    listen = f"{host}:{bridge.xds_port}"
    bridge.settings["xds"] = {"listen": listen, "limits": {**probes, **(limits or {})}, "insecure": host != "127.0.0.1"}
    bridge.write(bridge.settings)
    bootstrap = Bootstrap(transport, [bridge.xds_port], "web")
    bootstrap.return_soon()
    if impatient:
        bootstrap.probe("1s", "2s")
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(backends("a", "b", "c"))
        subject, load = EnvoyProcess(bootstrap.config, directory), Load(bootstrap.url)
        world = FileTraffic(bridge, subject, load, running, transport.cluster("web"), file)
        world.offer("a", "b")
        stack.push_async_exit(bridge)
        await bridge.start(command=command)
        await stack.enter_async_context(subject)
        await stack.enter_async_context(load)
        yield world
