"""A stranger's adapter: the package of `examples/`, installed into an environment of its own, beside the bridge."""

import asyncio
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from support.bridge import BridgeProcess, Json
from support.http_server import answering
from support.waiting import eventually


@dataclass
class Inventory:
    """What the catalogue's server answers."""

    services: dict[str, list[Json]] = field(default_factory=dict)
    status: int = 200

    async def answer(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"services": self.services}, status=self.status)


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the package in it; everything else is that of the tests."""

    folder: Path
    package: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def run(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [self.python, *map(str, arguments)]
        return subprocess.run(command, cwd=self.package, check=False, capture_output=True, text=True)

    async def bridge(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """A command of xds-bridge, while this process goes on to answer."""
        return await asyncio.to_thread(self.run, "-m", "bridge", *arguments)


@pytest.fixture(scope="module")
def environment(repository: Path) -> Iterator[Environment]:
    with tempfile.TemporaryDirectory() as place:
        folder, package = Path(place) / "venv", Path(place) / "adapter-catalogue"
        shutil.copytree(
            repository / "examples/adapter-catalogue", package, ignore=shutil.ignore_patterns("__pycache__")
        )
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "bridge.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        (site / "checkout.pth").write_text(f"{repository}\n")
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "bin" / "python")
        offline = ("--no-index", "--no-deps", "--no-build-isolation")
        installed = subprocess.run([*pip, "install", *offline, package], check=False, capture_output=True, text=True)
        assert installed.returncode == 0, installed.stdout + installed.stderr
        shutil.rmtree(package / "catalogue_adapter")  # what is found from here on is what was installed
        yield Environment(folder, package)


def test_its_own_tests_pass(environment: Environment) -> None:
    outcome = environment.run("-m", "pytest", "-q", "tests")

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


async def test_it_is_a_source_like_any_other(environment: Environment, tmp_path: Path) -> None:
    inventory = Inventory({"web": [{"id": "web-1", "ip": "10.0.0.1", "port": 80}, {"id": "web-2", "ip": "web2"}]})
    async with answering(inventory.answer) as url:
        source: Json = {"name": "inventory", "type": "catalogue", "url": f"{url}/services.json", "interval": "50ms"}
        bridge = BridgeProcess(tmp_path, [source])
        bridge.python = environment.python

        schema, check = await asyncio.gather(
            environment.bridge("schema"), environment.bridge("check", "--live", "--config", bridge.config)
        )
        assert "URL of the catalogue, http or https." in schema.stdout
        assert check.returncode == 0, check.stdout + check.stderr
        assert "port: Field required" in check.stdout

        async with bridge:
            assert await addresses(bridge) == {"10.0.0.1"}

            inventory.services["web"].append({"id": "web-3", "ip": "10.0.0.3", "port": 80})
            await eventually(lambda: serves(bridge, {"10.0.0.1", "10.0.0.3"}), what="a change is served")

            inventory.status = 503
            await eventually(lambda: bool(bridge.events("source.failed")), what="a failure is told")
            assert await addresses(bridge) == {"10.0.0.1", "10.0.0.3"}


async def test_its_configuration_is_one_and_a_key_that_it_does_not_have_is_refused(
    environment: Environment, tmp_path: Path
) -> None:
    config = environment.package / "bridge.yaml"
    wrong = tmp_path / "bridge.yaml"
    wrong.write_text(config.read_text().replace(" url:", " ulr:"))

    check, refused = await asyncio.gather(
        environment.bridge("check", "--config", config), environment.bridge("check", "--config", wrong)
    )

    assert check.returncode == 0, check.stderr
    assert refused.returncode == 78
    assert "sources[0].ulr: unknown key; did you mean 'url'?" in refused.stderr


async def addresses(bridge: BridgeProcess) -> set[str]:
    service = await bridge.get("/api/v1/services/web")
    endpoints = service["endpoints"]
    assert isinstance(endpoints, list)
    return {endpoint["address"] for endpoint in endpoints}


async def serves(bridge: BridgeProcess, expected: set[str]) -> bool:
    return await addresses(bridge) == expected
