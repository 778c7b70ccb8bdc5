"""A real Envoy and the bridge over mutual TLS, and the renewal of everything while requests go through."""

import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import aiohttp
import pytest

from bridge.bootstrap import BootstrapOptions, HttpListener, Route, SocketAddress, render
from bridge.envoy_tls import EnvoyTls, Secret, secret
from bridge.model import EndpointKey
from support.backends import backends
from support.bridge import BridgeProcess
from support.certificates import DAY, Authority, CertificateFiles, MountedFiles
from support.command import command
from support.endpoints_file import EndpointsFile
from support.envoy import EnvoyProcess, validate
from support.load import Load
from support.ports import free_port
from support.tcp_proxy import TcpProxy, tcp_proxy
from support.waiting import eventually

ENVOY, BRIDGE = "spiffe://prod/envoy", "spiffe://prod/xds-bridge"


@dataclass
class Setting:
    """The files of both sides, what leads to them, and where requests go."""

    authority: Authority
    bridge_files: MountedFiles
    envoy_files: MountedFiles
    bridge: BridgeProcess
    options: BootstrapOptions

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.options.listeners[0].address.port}/"

    def by_way_of(self, proxy: TcpProxy) -> BootstrapOptions:
        """The same, with a proxy in front of the bridge."""
        return replace(self.options, bridges=(SocketAddress("127.0.0.1", proxy.port),))

    async def connections(self) -> float:
        """Streams that are open at the bridge."""
        metrics = await self.bridge.metrics()
        return metrics['xds_bridge_xds_streams{kind="aggregated",transport="delta"}']

    async def opened(self) -> float:
        """Streams that were ever opened at the bridge."""
        return (await self.bridge.metrics())['xds_bridge_xds_streams_opened_total{transport="delta"}']

    async def loads(self, result: str) -> float:
        """How often the bridge found new certificates, good or bad."""
        return (await self.bridge.metrics())[f'xds_bridge_tls_certificate_loads_total{{result="{result}"}}']


@asynccontextmanager
async def setting(
    tmp_path: Path, endpoint: EndpointKey, *, names: tuple[str, ...] = (ENVOY,)
) -> AsyncIterator[Setting]:
    """A running bridge with mutual TLS, and the options of an Envoy for it."""
    authority = Authority()
    bridge_files = MountedFiles(tmp_path / "bridge-tls", authority.issue(BRIDGE), authority.certificate)
    envoy_files = MountedFiles(tmp_path / "envoy-tls", authority.issue(*names), authority.certificate)
    endpoints = EndpointsFile(tmp_path / "endpoints.json")
    endpoints.set("web", [endpoint])
    bridge = BridgeProcess(tmp_path / "bridge", [endpoints.source()])
    tls = {
        "certificate": str(bridge_files.certificate),
        "private_key": str(bridge_files.private_key),
        "client_ca": str(bridge_files.ca),
        "allowed_sans": ["spiffe://prod/*"],
    }
    bridge.settings["xds"] = {"listen": f"127.0.0.1:{bridge.xds_port}", "tls": tls}
    bridge.write(bridge.settings)
    listener = HttpListener(SocketAddress("127.0.0.1", free_port()), (Route("web"),))
    own = EnvoyTls(
        ca=PurePosixPath(envoy_files.ca),
        certificate=PurePosixPath(envoy_files.certificate),
        private_key=PurePosixPath(envoy_files.private_key),
        server_name=BRIDGE,
        secrets=PurePosixPath(tmp_path),
    )
    for which in Secret:
        (tmp_path / f"{which}.yaml").write_text(json.dumps(secret(own, which)))
    bridges = (SocketAddress("127.0.0.1", bridge.xds_port),)
    options = BootstrapOptions("edge-1", "edge", bridges, listeners=(listener,), tls=own)
    async with bridge:
        yield Setting(authority, bridge_files, envoy_files, bridge, options)


CHANGES = ("cluster_added", "cluster_modified", "cluster_removed")


async def test_everything_is_renewed_while_requests_go_through(tmp_path: Path) -> None:
    async with (
        backends("web") as running,
        setting(tmp_path, running.addresses["web"]) as here,
        tcp_proxy(here.bridge.xds_port) as proxy,
        EnvoyProcess(render(here.by_way_of(proxy)), tmp_path) as envoy,
    ):
        await eventually(lambda: _served(envoy, here.url), what="Envoy has its cluster")
        before = await changes(envoy)
        async with Load(here.url, workers=1) as load:
            new = Authority()
            both = here.authority.certificate + new.certificate
            here.bridge_files.swap(here.authority.issue(BRIDGE), both)  # first, both trust both
            here.envoy_files.swap(here.authority.issue(ENVOY), both)
            await eventually(lambda: _is(here.loads("ok"), 2), timeout=30)
            await eventually(lambda: _least(renewals(envoy), 4))  # two secrets, at the start and now
            here.bridge_files.swap(new.issue(BRIDGE), new.certificate)  # then, both are somebody new
            here.envoy_files.swap(new.issue(ENVOY), new.certificate)
            await eventually(lambda: _is(here.loads("ok"), 3), timeout=30)
            await eventually(lambda: _least(renewals(envoy), 6))
            await load.more(10)

            assert proxy.accepted == 1  # the first connection has lived through all of that
            await proxy.cut()
            await eventually(lambda: proxy.accepted > 1, timeout=30, what="Envoy connects again")
            await eventually(lambda: _is(here.opened(), 2), timeout=30, what="its new connection is believed")
            await load.more(10)
        after = await changes(envoy)

    assert load.failures == []
    assert set(load.answers) == {"web"}
    assert after == before


async def changes(envoy: EnvoyProcess) -> list[int]:
    """What happened to Envoy's clusters."""
    stats = await envoy.stats("cluster_manager.")
    return [stats[f"cluster_manager.{name}"] for name in CHANGES]


async def renewals(envoy: EnvoyProcess) -> float:
    """How often Envoy has taken a secret into use."""
    name = "cluster.xds_bridge_servers.client_ssl_socket_factory.ssl_context_update_by_sds"
    return (await envoy.stats(name))[name]


async def test_an_envoy_that_may_not_is_refused_and_told_why(tmp_path: Path) -> None:
    async with (
        setting(tmp_path, EndpointKey("10.0.0.1", 80), names=("spiffe://test/envoy",)) as here,
        EnvoyProcess(render(here.options), tmp_path, wait_ready=False),
    ):
        await eventually(lambda: len(here.bridge.events("stream.refused")) > 0, timeout=20)

        event = here.bridge.events("stream.refused")[0]
        assert event["reason"] == "name_not_allowed"
        assert "spiffe://test/envoy" in str(event["message_to_client"])
        assert await here.connections() == 0


async def test_an_envoy_believes_no_bridge_with_the_name_of_another(tmp_path: Path) -> None:
    async with setting(tmp_path, EndpointKey("10.0.0.1", 80)) as here:
        assert here.options.tls
        options = replace(here.options, tls=replace(here.options.tls, server_name="spiffe://prod/other"))
        async with EnvoyProcess(render(options), tmp_path, wait_ready=False) as envoy:
            await eventually(lambda: _failed_verification(envoy), timeout=20)

            assert await here.connections() == 0


async def test_a_bad_certificate_is_told_once_and_the_last_good_one_stays(tmp_path: Path) -> None:
    async with setting(tmp_path, EndpointKey("10.0.0.1", 80)) as here:
        stranger = here.authority.issue(BRIDGE, begins=-2 * DAY, ends=-DAY)
        here.bridge_files.swap(stranger, here.authority.certificate)
        await eventually(lambda: _is(here.loads("error"), 1))

        async with EnvoyProcess(render(here.options), tmp_path) as envoy:
            assert "web" in await envoy.clusters()
        (event,) = here.bridge.events("tls.rejected")
        status = await here.bridge.get("/api/v1/status")
        assert "New files cannot be used (xds.tls.certificate: " in str(status["findings"])
        assert event["key"] == "xds.tls.certificate"
        assert "expired" in str(event["error"])
        assert await here.loads("error") == 1
        key_text = here.bridge_files.private_key.read_text().splitlines()[1]
        assert key_text not in here.bridge.log.read_text()


async def test_a_reload_takes_certificates_from_elsewhere_at_once_and_no_bad_ones(tmp_path: Path) -> None:
    async with setting(tmp_path, EndpointKey("10.0.0.1", 80)) as here:
        new = Authority()
        moved = CertificateFiles(tmp_path / "moved", new.issue(BRIDGE, begins=-2 * DAY, ends=-DAY), new.certificate)
        xds = here.bridge.settings["xds"]
        assert isinstance(xds, dict)
        paths = {"certificate": str(moved.certificate), "private_key": str(moved.private_key)}
        tls = {"tls": {**xds["tls"], **paths, "client_ca": str(moved.ca)}}

        refused = await here.bridge.reload(xds=xds | tls)
        unverified = await here.bridge.reload(xds=xds | {"tls": paths})
        before = len(here.bridge.events("tls.loaded"))
        moved.write(new.issue(BRIDGE))
        taken = await here.bridge.reload(xds=xds | tls)
        after = len(here.bridge.events("tls.loaded"))
        here.envoy_files.swap(new.issue(ENVOY), new.certificate)  # it trusts nobody else, and nobody else trusts it
        async with EnvoyProcess(render(here.options), tmp_path) as envoy:
            assert "web" in await envoy.clusters()

        assert str(refused["error"]).startswith(f"xds.tls.certificate: {moved.certificate} is accepted by no client")
        assert "xds.tls.allowed_sans, xds.tls.client_ca: only a restart" in str(unverified["error"])
        assert (taken["ok"], before, after) == (True, 1, 2)


async def test_a_bridge_does_not_start_with_a_bad_certificate(tmp_path: Path) -> None:
    authority = Authority()
    files = CertificateFiles(tmp_path / "tls", authority.issue(BRIDGE), authority.certificate)
    files.write_key(authority.issue(BRIDGE))
    bridge = _alone(tmp_path, "127.0.0.1", files)

    outcome = await command("run", "--config", bridge.config)

    assert outcome.status == 78
    assert f"xds.tls.private_key: {files.private_key} does not belong" in outcome.error
    assert "Traceback" not in outcome.error


async def test_a_port_that_is_open_to_strangers_is_told_at_the_start(tmp_path: Path) -> None:
    authority = Authority()
    files = CertificateFiles(tmp_path / "tls", authority.issue(BRIDGE), authority.certificate)

    # A name in place of an address counts as reachable, whatever it stands for; only `localhost` does not.
    async with _alone(tmp_path, "LOCALHOST", files) as bridge:
        (event,) = bridge.events("xds.exposed")

    assert event["level"] == "warning"
    assert event["missing"] == "xds.tls.client_ca"


def _alone(directory: Path, host: str, files: CertificateFiles) -> BridgeProcess:
    """A bridge with a certificate, which asks nobody for theirs."""
    bridge = BridgeProcess(directory, [EndpointsFile(directory / "endpoints.json").source()])
    configured = json.loads(bridge.config.read_text())
    tls = {"certificate": str(files.certificate), "private_key": str(files.private_key)}
    source = {**configured["sources"][0], "allow_empty": True}
    bridge.write({**configured, "xds": {"listen": f"{host}:{bridge.xds_port}", "tls": tls}, "sources": [source]})
    return bridge


@pytest.mark.parametrize("secrets", [True, False], ids=["secrets", "paths"])
@pytest.mark.parametrize("server_name", ["", "bridge.internal", BRIDGE], ids=["host", "DNS", "URI"])
async def test_envoy_accepts_every_kind_of_tls(tmp_path: Path, server_name: str, secrets: bool) -> None:
    authority = Authority()
    files = CertificateFiles(tmp_path / "tls", authority.issue(ENVOY), authority.certificate)
    own = EnvoyTls(
        ca=PurePosixPath(files.ca),
        certificate=PurePosixPath(files.certificate),
        private_key=PurePosixPath(files.private_key),
        server_name=server_name,
        secrets=PurePosixPath(tmp_path) if secrets else None,
    )
    for which in Secret:
        (tmp_path / f"{which}.yaml").write_text(json.dumps(secret(own, which)))
    bridges = (SocketAddress("10.0.0.1", 18000), SocketAddress("::1", 18000), SocketAddress("localhost", 18000))

    accepted, said = await validate(render(BootstrapOptions("edge-1", "edge", bridges, tls=own)), tmp_path)

    assert accepted, said
    assert "deprecated" not in said.lower()


async def _served(envoy: EnvoyProcess, url: str) -> bool:
    return (await envoy.get(url)).status == 200


async def _failed_verification(envoy: EnvoyProcess) -> bool:
    try:
        stats = await envoy.stats("cluster.xds_bridge_servers.ssl.fail_verify_san")
    except aiohttp.ClientConnectionError:  # its admin interface does not listen yet
        return False
    return sum(stats.values()) > 0


async def _is(value: Awaitable[float], expected: float) -> bool:
    return await value == expected


async def _least(value: Awaitable[float], expected: float) -> bool:
    return await value >= expected
