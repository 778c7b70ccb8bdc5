"""`fetch` is served by a real bridge as an Envoy is, and `xds-bridge-health` says how that bridge is."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.model import EndpointKey
from support.bridge import BridgeProcess
from support.certificates import Authority, CertificateFiles
from support.command import Outcome, command
from support.endpoints_file import EndpointsFile
from support.waiting import eventually

ONE, TWO = EndpointKey("10.0.0.1", 80), EndpointKey("10.0.0.2", 80)

INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("bridge", run_name="__main__", alter_sys=True)
"""
"""The command as in a terminal: a shell has what it starts in the background ignore SIGINT, and tests may be that."""


class Served:
    """A bridge with TLS for the certificates of canaries, a view for their cluster, and a socket for operators."""

    def __init__(self, directory: Path) -> None:
        self.file = EndpointsFile(directory / "endpoints.json")
        authority = Authority()
        own = CertificateFiles(directory / "bridge", authority.issue("127.0.0.1"), authority.certificate)
        self.client = CertificateFiles(directory / "client", authority.issue("spiffe://prod/a"), authority.certificate)
        self.stranger = CertificateFiles(directory / "stranger", authority.issue("other"), authority.certificate)
        files = {"certificate": str(own.certificate), "private_key": str(own.private_key), "client_ca": str(own.ca)}
        views = [{"match": {"cluster": "edge", "metadata": {"stage": "canary"}}, "services": ["web"]}]
        self.bridge = BridgeProcess(directory, [self.file.source()], views=views, views_required=True)
        xds = self.bridge.settings["xds"]
        assert isinstance(xds, dict)
        self.bridge.settings["xds"] = {**xds, "tls": {**files, "allowed_sans": ["spiffe://prod/*"]}}
        self.socket = directory / "admin.sock"
        self.bridge.listen_for_operators(self.socket)

    def question(self, files: CertificateFiles, *more: str) -> tuple[str, ...]:
        """`fetch` as a canary of the cluster edge."""
        tls = ("--tls-ca", files.ca, "--tls-certificate", files.certificate, "--tls-key", files.private_key)
        node = ("--node-cluster", "edge", "--metadata", "stage=canary")
        return ("fetch", f"127.0.0.1:{self.bridge.xds_port}", *map(str, tls), *node, *more)


async def health(*arguments: object) -> Outcome:
    """`xds-bridge-health ARGUMENTS`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge.probe", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, output.decode(), errors.decode())


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    served = Served(tmp_path)
    await served.bridge.start(ready=False)  # its source has no endpoint yet
    try:
        yield served
    finally:
        if served.bridge.running:
            await served.bridge.kill()


async def test_fetch_and_health_say_how_a_bridge_serves(served: Served) -> None:
    await _health_waits_for_the_source(served)
    served.file.set("db", [ONE])
    served.file.set("web", [ONE])
    await _health_is_well(served)
    await asyncio.gather(_both_variants_are_served(served), _refusals_are_told(served))
    await _changes_are_watched(served)
    await served.bridge.kill()
    gone = await health("--socket", served.socket)
    assert (gone.status, gone.error) == (3, f"no bridge answers: tried {served.socket} (Connection refused)\n")


async def _health_waits_for_the_source(served: Served) -> None:
    alive, ready = await health("--socket", served.socket), await health("--ready", "--socket", served.socket)

    assert alive == Outcome(0, "", "")
    assert ready.status == 1
    assert ready.output.startswith("not ready: local is waited for, a first endpoint (")


async def _health_is_well(served: Served) -> None:
    async def ready() -> bool:
        return (await health("--ready", "--admin", served.bridge.url(""))).status == 0

    await eventually(ready, timeout=60, what="the bridge is ready")


async def _both_variants_are_served(served: Served) -> None:
    table, delta = await asyncio.gather(
        command(*served.question(served.client)), command(*served.question(served.client, "--delta", "-o", "json"))
    )

    assert table.status == 0, table.error
    assert [line.split() for line in table.output.splitlines()[2:]] == [
        ["cluster", "endpoint", "health", "weight", "priority", "locality"],
        ["web", "10.0.0.1:80", "HEALTHY", "1", "0"],
    ]
    clusters = delta.json["clusters"]
    assert isinstance(clusters, dict)
    assert [each["name"] for each in clusters["resources"]] == ["web"]
    assert f"Cluster: version {clusters['version_info']}" in table.output.splitlines()


async def _refusals_are_told(served: Served) -> None:
    stranger, other = await asyncio.gather(
        command(*served.question(served.stranger)), command(*served.question(served.client, "--node-cluster", "web"))
    )

    where = f"127.0.0.1:{served.bridge.xds_port}: PERMISSION_DENIED: "
    assert (stranger.status, stranger.error.count("\n")) == (3, 1)
    assert stranger.error.startswith(where)
    assert (other.status, other.error.count("\n")) == (3, 1)
    assert other.error.startswith(f"{where}no view is configured for this client")


async def _changes_are_watched(served: Served) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", INTERRUPTIBLE, *served.question(served.client, "--watch", "--delta")),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout
    async with asyncio.timeout(60):
        while not (await process.stdout.readline()).startswith(b"web"):
            pass
        served.file.set("web", [TWO])
        told = [(await process.stdout.readline()).decode().rstrip() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        status = await process.wait()

    assert told == [
        "1 cluster changed, 1 endpoint added, 1 endpoint removed",
        "~ cluster web",
        "    - 10.0.0.1:80",
        "    + 10.0.0.2:80",
    ]
    assert status == 0
