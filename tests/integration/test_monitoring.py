"""A real Prometheus that scraped a bridge, with Envoy and Consul at work, answers all that alerts and dashboard ask."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bridge.bootstrap import BootstrapOptions, HttpListener, PipeAddress, Route, SocketAddress, render
from bridge.model import EndpointKey
from scripts.panels import ROWS
from support.aws import REGION, canned_aws, use_credentials
from support.backends import Backends, backends
from support.bridge import BridgeProcess, Json
from support.certificates import Authority, CertificateFiles
from support.consul import ConsulAgent, consul_agent
from support.ec2 import CannedFleet, Shown
from support.endpoints_file import EndpointsFile
from support.envoy import EnvoyProcess, envoy
from support.envoy_content import BAD_TEMPLATE, Bad
from support.load import Load
from support.monitoring import alerts, operands, recorded
from support.ports import free_port
from support.prometheus import JOB, Prometheus, check_config, check_metrics, prometheus
from support.transports import without_retries
from support.waiting import eventually

PATIENCE = 60.0
MANY = [EndpointKey(f"10.1.0.{number}", 8080) for number in range(1, 13)]


@dataclass
class World:
    """A bridge with a source of each kind, one of which fails, an Envoy with requests, and a Prometheus."""

    bridge: BridgeProcess
    consul: ConsulAgent
    file: EndpointsFile
    envoy: EnvoyProcess
    load: Load
    backends: Backends
    prometheus: Prometheus

    async def register(self, name: str) -> None:
        await register(self.consul, self.backends, name)

    async def until(self, **expected: float) -> None:
        """Wait until sums over all series of metrics of the bridge are these."""

        async def matches() -> bool:
            samples = await self.bridge.metrics()
            return all(total(samples, f"xds_bridge_{name}") == value for name, value in expected.items())

        await eventually(matches, timeout=PATIENCE, what=f"{expected}; see {self.bridge.log}")


def total(samples: Mapping[str, float], metric: str) -> float:
    return sum(value for name, value in samples.items() if name.partition("{")[0] == metric)


async def register(consul: ConsulAgent, running: Backends, name: str) -> None:
    key = running.addresses[name]
    await consul.register("web", key.address, node=f"node-{name}", id=name, port=key.port)


def configuration(directory: Path, consul: ConsulAgent, file: EndpointsFile, aws: str) -> tuple[list[Json], Json]:
    """The sources, and the sections of the bridge."""
    certificate = CertificateFiles(directory / "tls", (authority := Authority()).issue("bridge"), authority.certificate)
    tls = {"certificate": str(certificate.certificate), "private_key": str(certificate.private_key)}
    admin = {"listen": f"127.0.0.1:{free_port()}", "peers": [f"http://127.0.0.1:{free_port()}"]}
    sources: list[Json] = [
        {"name": "dc1", "type": "consul", "address": consul.address, "wait": "1s"},
        file.source(),
        {"name": "vms", "type": "ec2", "region": REGION, "endpoint_url": aws, "interval": "300ms", "api_budget": 100},
        {"name": "broken", "type": "file", "path": str(directory / "absent.yaml"), "required": False},
    ]
    sections: Json = {
        "xds": {"listen": f"127.0.0.1:{free_port()}", "socket": str(directory / "xds.sock"), "tls": tls},
        "admin": admin,
        "state_directory": str(directory / "state"),
        "startup_grace": "100ms",
        "metrics": {"per_service": "on"},
    }
    return sources, sections


@asynccontextmanager
async def world(directory: Path, rules: Sequence[Path]) -> AsyncIterator[World]:
    port, file = free_port(), EndpointsFile(directory / "endpoints.json")
    file.set("bulk", MANY)
    listener = HttpListener(SocketAddress("127.0.0.1", port), (Route("web"),))
    options = BootstrapOptions("edge-1", "edge", (PipeAddress(str(directory / "xds.sock")),), listeners=(listener,))
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(backends("a", "b"))
        aws = await stack.enter_async_context(canned_aws())
        fleet = CannedFleet()
        fleet.show(Shown("i-1", tags={"xds-service": "vm:80"}))
        fleet.serve(aws)
        consul = await stack.enter_async_context(consul_agent())
        await register(consul, running, "a")
        sources, sections = configuration(directory, consul, file, aws.url)
        bridge = BridgeProcess(directory / "bridge", sources, **sections)
        bridge.admin_port = int(str(bridge.settings["admin"]["listen"]).rpartition(":")[2])  # type: ignore[index]  # a section is a mapping
        server = await stack.enter_async_context(prometheus(directory / "prometheus", bridge.admin_port, rules))
        await stack.enter_async_context(bridge)
        subject = await stack.enter_async_context(envoy(without_retries(render(options)), directory))
        load = await stack.enter_async_context(Load(f"http://127.0.0.1:{port}/"))
        await server.until_scraped()
        yield World(bridge, consul, file, subject, load, running, server)


def asked(repository: Path) -> list[str]:
    """All that alerts compare, all that panels draw and all that is recorded, for all bridges."""
    panels = [query.expression for row in ROWS.values() for panel in row for query in panel.queries]
    drawn = [each.replace("$instance", ".+").replace("$__rate_interval", "1m") for each in panels]
    return [
        *drawn,
        *recorded(repository),
        *(each for alert in alerts(repository) for each in operands(alert.expression)),
    ]


async def test_what_alerts_and_dashboard_ask_has_an_answer_and_what_is_wrong_is_noticed(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_credentials(monkeypatch)
    rules = [repository / f"monitoring/{name}.yml" for name in ("alerts", "rules")]
    async with world(tmp_path, rules) as here:
        await eventually(lambda: "a" in here.load.answers, timeout=PATIENCE, what="requests go through")
        await here.register("b")
        await eventually(lambda: "b" in here.load.answers, timeout=PATIENCE, what="Envoy follows Consul")
        here.file.set("bulk", MANY[:3])
        await here.until(source_held_endpoints=len(MANY) - 3, guard_trips_total=1)
        bad = {"match": "bulk", "cluster": BAD_TEMPLATE[Bad.LATE]}
        assert (await here.bridge.reload(services=[bad]))["ok"]
        await here.until(xds_rejecting_clients=1)

        await here.prometheus.until_answered(asked(repository))

        wrong = {"XdsBridgeSourceDown", "XdsBridgeSourceHeld", "XdsBridgeEnvoyRejecting"}

        async def noticed() -> bool:
            return wrong <= (await here.prometheus.alerts()).keys()

        await eventually(noticed, timeout=PATIENCE, what=f"{wrong} hold")
        said = await here.prometheus.alerts()
        assert "broken" in said["XdsBridgeSourceDown"]
        assert [text for text in said.values() if "error expanding template" in text] == []
        assert await here.prometheus.failing_rules() == []
        await exposition_is_clean(here)


async def exposition_is_clean(here: World) -> None:
    """What is scraped is as Prometheus wants it, and names no endpoint."""
    async with aiohttp.ClientSession() as session, session.get(here.bridge.url("/metrics")) as response:
        text = await response.text()
    addresses = [*MANY, *here.backends.addresses.values()]

    assert await check_metrics(text) == ""
    assert [str(key) for key in addresses if str(key) in text or f'"{key.address}"' in text] == []
    assert 'xds_bridge_service_endpoints{health="healthy",service="web"} 2.0' in text


@pytest.mark.parametrize("way", ["static", "ec2", "ecs"])
async def test_prometheus_accepts_the_configuration_for(way: str, repository: Path) -> None:
    path = repository / f"monitoring/scrape/{way}.yml"

    assert await check_config(path) == ""
    assert f"job_name: {JOB}\n" in path.read_text(), "that by which alerts and dashboard go"
