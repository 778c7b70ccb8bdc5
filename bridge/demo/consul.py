"""The Consul agent of the demo: how it is started, and the few calls of its HTTP interface that the demo makes."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout

from bridge.demo.backend import Backend
from bridge.demo.document import SERVICE
from bridge.demo.envoy import FAILURES, TIMEOUT
from bridge.demo.option import HOST, DemoError, Ports

CHECK_INTERVAL = 1.0
"""Seconds between Consul's health checks: the shortest it accepts."""


def command(program: Path, ports: Ports) -> list[str | Path]:
    """The command line of a development agent: in memory, one server, on loopback."""
    server, lan, wan = ports.consul_internal
    numbers = {"http": ports.consul_http, "server": server, "serf_lan": lan, "serf_wan": wan, "grpc": -1, "dns": -1}
    settings = json.dumps({"ports": numbers, "disable_update_check": True, "leave_on_terminate": False})
    return [program, "agent", "-dev", "-bind", HOST, "-client", HOST, "-log-level", "warn", "-hcl", settings]


@dataclass(frozen=True, slots=True)
class Sighting:
    """An answer of a blocking query about the service."""

    index: str
    """Where to wait from next time."""
    instances: frozenset[tuple[str, str]]
    """Address and port, and the worst status of its checks."""


class ConsulView:
    """A running Consul agent, with the demo's one service in it."""

    def __init__(self, session: ClientSession, ports: Ports) -> None:
        self._session = session
        self.url = f"http://{HOST}:{ports.consul_http}"

    async def ready(self) -> bool:
        """Whether it has a leader, without which it takes no registration."""
        try:
            async with self._session.get(f"{self.url}/v1/status/leader", timeout=TIMEOUT) as answer:
                return answer.status == 200 and len(await answer.text()) > len('""')
        except FAILURES:
            return False

    async def register(self, backend: Backend) -> None:
        """Register a backend as an instance of the service, passing until its first check says otherwise."""
        check = {
            "HTTP": f"http://{backend.address}/health",
            "Interval": f"{CHECK_INTERVAL:g}s",
            "Timeout": "1s",
            "Status": "passing",
        }
        instance = {"ID": backend.name, "Name": SERVICE, "Address": HOST, "Port": backend.port, "Check": check}
        await self._put("/v1/agent/service/register", instance)

    async def deregister(self, backend: Backend) -> None:
        """Take its registration away."""
        await self._put(f"/v1/agent/service/deregister/{backend.name}", None)

    async def watch(self, after: Sighting | None) -> Sighting:
        """Wait for the service to be another than it was, and say how it is.

        Raises:
            DemoError: Consul does not answer.
        """
        wait = f"?index={after.index}&wait=60s" if after else ""
        url = f"{self.url}/v1/health/service/{SERVICE}{wait}"
        try:
            async with self._session.get(url, timeout=ClientTimeout(total=90)) as answer:
                nodes = await answer.json()
                index = answer.headers["X-Consul-Index"]
        except (*FAILURES, KeyError) as error:
            raise DemoError(f"Consul does not answer at {self.url} ({error!r})") from error
        return Sighting(index, frozenset(_instance(node) for node in nodes))

    async def _put(self, path: str, body: object) -> None:
        try:
            async with asyncio.timeout(5), self._session.put(self.url + path, json=body) as answer:
                text = await answer.text()
        except FAILURES as error:
            raise DemoError(f"Consul does not answer at {self.url} ({error!r})") from error
        if answer.status != 200:
            raise DemoError(f"Consul refused {path} with status {answer.status}: {text.strip()}")


def _instance(node: dict[str, dict[str, object]]) -> tuple[str, str]:
    service, checks = node["Service"], node["Checks"]
    failing = any(check["Status"] != "passing" for check in checks)  # type: ignore[index]  # a list of objects, by its API
    return f"{service['Address']}:{service['Port']}", "failing" if failing else "passing"
