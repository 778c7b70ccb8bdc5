"""A World for each adapter: the real thing it reads, with the few things that can happen to it.

The laws in `tests/conformance/adapters` run against every World; an adapter without one fails them.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from support.consul import ConsulAgent
from support.ec2 import ec2_world
from support.ecs_moto import ecs_world


class World(Protocol):
    """What an adapter reads, under the control of a test. Each method returns when the thing has happened."""

    @property
    def options(self) -> Mapping[str, object]:
        """The adapter's own keys of the configuration that lead to this world."""

    async def add(self, service: str, address: str, port: int) -> str:
        """Let an instance appear; returns what `drop` calls it."""

    async def add_wrong(self, service: str) -> None:
        """Let an instance appear that cannot be an endpoint."""

    async def drop(self, instance: str) -> None:
        """Let one instance go."""

    async def empty(self, service: str) -> None:
        """Let all endpoints of a service go, and the service stay."""

    async def drop_service(self, service: str) -> None:
        """Let a service go with all its instances."""

    async def break_(self) -> None:
        """Make it unreadable."""

    async def heal(self) -> None:
        """Make it readable again; it knows what it knew."""


class FileWorld:
    """A file of endpoints, always replaced by renaming; broken, there is no such file."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "endpoints.yaml"
        self._services: dict[str, dict[str, dict[str, object]]] = {}
        self._write()

    @property
    def options(self) -> Mapping[str, object]:
        return {"path": self._path, "interval": "20ms"}

    async def add(self, service: str, address: str, port: int) -> str:
        instance = f"{service}/{address}:{port}"
        self._services.setdefault(service, {})[instance] = {"address": address, "port": port}
        self._write()
        return instance

    async def add_wrong(self, service: str) -> None:
        await self.add(service, "db.internal", 70000)

    async def drop(self, instance: str) -> None:
        del self._services[instance.partition("/")[0]][instance]
        self._write()

    async def empty(self, service: str) -> None:
        self._services[service].clear()
        self._write()

    async def drop_service(self, service: str) -> None:
        del self._services[service]
        self._write()

    async def break_(self) -> None:
        self._path.unlink()

    async def heal(self) -> None:
        self._write()

    def _write(self) -> None:
        services = {name: list(instances.values()) for name, instances in self._services.items()}
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({"services": services}, indent=1), encoding="utf-8")
        new.replace(self._path)


class ConsulWorld:
    """A Consul server that remembers over a restart; broken, it is killed."""

    def __init__(self, directory: Path, mode: str) -> None:
        data = ("-server", "-bootstrap-expect", "1", "-data-dir", str(directory / "consul"))
        self.agent = ConsulAgent(dev=data)
        self._mode = mode
        self._instances: dict[str, set[str]] = {}

    @property
    def options(self) -> Mapping[str, object]:
        return {"address": self.agent.address, "mode": self._mode, "services": {"exclude": ["consul"]}}

    async def add(self, service: str, address: str, port: int) -> str:
        instance = f"{service}/{address}:{port}"
        await self._register(service, instance, address, port)
        return instance

    async def add_wrong(self, service: str) -> None:
        await self._register(service, f"{service}/wrong", "db.internal", 80)

    async def drop(self, instance: str) -> None:
        self._instances[instance.partition("/")[0]].remove(instance)
        await self.agent.deregister("vm1", instance)

    async def empty(self, service: str) -> None:
        # A service without any instance does not exist in Consul; one whose instances stay out has no endpoints.
        gone = self._instances[service].copy()
        await self._register(service, f"{service}/out", "10.9.9.1", 80, enabled=False)
        for instance in gone:
            await self.drop(instance)

    async def drop_service(self, service: str) -> None:
        for instance in self._instances.pop(service):
            await self.agent.deregister("vm1", instance)

    async def break_(self) -> None:
        await self.agent.kill()

    async def heal(self) -> None:
        await self.agent.start()

    async def _register(self, service: str, instance: str, address: str, port: int, *, enabled: bool = True) -> None:
        self._instances.setdefault(service, set()).add(instance)
        meta = {} if enabled else {"xds-enable": "false"}
        await self.agent.register(service, address, id=instance, port=port, Meta=meta)


@asynccontextmanager
async def file_world(directory: Path) -> AsyncIterator[World]:
    """A file in a directory of the test."""
    yield FileWorld(directory)


def consul_world(mode: str) -> Callable[[Path], AbstractAsyncContextManager[World]]:
    """A Consul whose adapter watches in a certain mode."""

    @asynccontextmanager
    async def world(directory: Path) -> AsyncIterator[World]:
        consul = ConsulWorld(directory, mode)
        await consul.agent.start()
        try:
            yield consul
        finally:
            await consul.agent.kill()

    return world


def worlds() -> Mapping[str, Mapping[str, Callable[[Path], AbstractAsyncContextManager[World]]]]:
    """The worlds of each adapter type, by a name for the test's report."""
    return {
        "consul": {mode: consul_world(mode) for mode in ("per_service", "aggregate")},
        "ec2": {"moto": ec2_world},
        "ecs": {"moto": ecs_world},
        "file": {"renamed": file_world},
    }
