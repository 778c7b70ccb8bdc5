"""The wheel and the source distribution on a clean Debian: each installs, takes every example, runs the demo.

The story is told by a process of its own, which this file is too, in a network that nobody else has.
"""

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest

from scripts.environment import PYTHON
from scripts.prepare import CONSUL
from scripts.step import ROOT
from support.certificates import Authority
from support.container import output
from support.envoy import envoy_binary
from support.far_network import PATIENCE, tell
from support.systemd_machine import SystemdMachine
from support.systemd_service import CREDENTIALS, OFFLINE

HERE = "/root/installed"
PIP = (f"{HERE}/bin/pip", "--disable-pip-version-check", "install", "--no-input", "--quiet")
LOCKS = ROOT / "requirements"
VARIABLES = {
    "AWS_REGION": "eu-west-1",
    "API_BUDGET": "2.5",
    "CONSUL": "https://consul.internal:8501",
    "CONSUL_HOST": "consul",
}
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/xds-bridge-1"


async def story(directory: Path) -> None:
    products, source = directory / "dist", directory / "source"
    # In a copy: building leaves files behind.
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "*.egg-info", "dist", "__pycache__"))
    await output(PYTHON, "-m", "build", "--no-isolation", "--outdir", products, source)
    (wheel,), (archive,) = products.glob("*.whl"), products.glob("*.tar.gz")
    async with SystemdMachine(directory) as machine:
        machine.path("/root/dist").mkdir()
        for product in (wheel, archive):
            machine.path(f"/root/dist/{product.name}").write_bytes(product.read_bytes())
        await machine.do("python3", "-m", "venv", HERE)
        await pip(machine, "--require-hashes", "--requirement", LOCKS / "install.lock")

        await pip(machine, "--no-deps", f"/root/dist/{wheel.name}")
        await accepts_the_examples(machine)
        await runs_the_demo(machine)

        await machine.do(f"{HERE}/bin/pip", "uninstall", "--yes", "--quiet", "xds-bridge")
        await pip(machine, "--require-hashes", "--requirement", LOCKS / "build.lock")
        await pip(machine, "--no-deps", "--no-build-isolation", f"/root/dist/{archive.name}")
        await runs_the_demo(machine)


async def pip(machine: SystemdMachine, *arguments: str | Path) -> None:
    await machine.do(*PIP, *arguments, environ=OFFLINE)


async def accepts_the_examples(machine: SystemdMachine) -> None:
    authority = Authority()
    pair = authority.issue("xds-bridge")
    parts = {"tls.crt": pair.certificate, "tls.key": pair.private_key, "ca.crt": authority.certificate}
    for folder in (CREDENTIALS, "/etc/xds-bridge/tls"):
        for name, content in parts.items():
            machine.write(f"{folder}/{name}", content.decode())
    machine.write("/etc/xds-bridge/consul-ca.pem", authority.certificate.decode())
    examples = [*ROOT.glob("examples/*.yaml"), *ROOT.glob("terraform/examples/*/*.yaml"), ROOT / "systemd/bridge.yaml"]
    configurations = [path for path in examples if path.name != "endpoints.yaml"]
    assert len(configurations) > 10
    for path in configurations:
        queues = re.findall(r"\$\{(QUEUE_\w+)\}", path.read_text())
        environ = VARIABLES | {name: f"{QUEUE}-{name}" for name in queues}
        told = await machine.do(f"{HERE}/bin/xds-bridge", "check", "--config", path, environ=environ)
        assert "is fine" in told


async def runs_the_demo(machine: SystemdMachine) -> None:
    programs = ("--envoy", envoy_binary(), "--consul", CONSUL)
    told = await machine.do(f"{HERE}/bin/xds-bridge", "demo", "--once", *programs)
    assert "0 of" in told


@pytest.mark.timeout(PATIENCE)
async def test_wheel_and_source_install_on_a_clean_debian_and_run(tmp_path: Path, repository: Path) -> None:
    assert await tell(__file__, tmp_path, repository, superuser=True) == ""


if __name__ == "__main__":
    asyncio.run(story(Path(sys.argv[1])))
