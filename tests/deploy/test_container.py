"""The image of the Dockerfile: what is in it, and a container of it that serves a real Envoy under load.

The story is told by a process of its own, which this file is too, in a network that nobody else has.
"""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

from bridge.bootstrap import BootstrapOptions, HttpListener, Route, SocketAddress, render
from support.backends import Backends, backends
from support.container import Container, Image, Mounts, images
from support.crowd import crowd
from support.ecs_site import tasks
from support.envoy import EnvoyProcess
from support.far_network import PATIENCE, tell
from support.load import Load
from support.waiting import eventually

SETTINGS = {
    "xds": {"listen": "127.0.0.1:18000"},
    "admin": {"listen": "127.0.0.1:19000"},
    "state_directory": "/var/lib/xds-bridge",
    "sources": [{"name": "local", "type": "file", "path": "/etc/xds-bridge/endpoints.json"}],
}
BUILDERS = ("pip", "setuptools", "wheel")


async def story(directory: Path) -> None:
    async with images(directory) as (base, ours), backends("a", "b") as running:
        root = await ours.unpack()  # a copy of everything, so once
        await holds_what_it_should(base, ours, root)
        files = directory / "etc"
        files.mkdir()
        write(files, running)
        (files / "bridge.yaml").write_text(json.dumps(SETTINGS))
        mounts = Mounts({"/etc/xds-bridge": files}, in_memory=("/var/lib/xds-bridge", "/run/xds-bridge"))
        container = Container(directory, root, await ours.inspect(), mounts)
        try:
            await container.start()
            await serves_envoys(container, directory, files, running)
            await needs_as_much_memory_as_documented(container, files)
        finally:
            await container.remove()
        await serves_as_a_task_of_ecs(directory, root, await ours.inspect())


async def holds_what_it_should(base: Image, ours: Image, root: Path) -> None:
    image, added = await ours.inspect(), await ours.size() - await base.size()
    assert 0 < added <= 200e6
    config = image["config"]
    assert isinstance(config, dict)
    assert config["User"] == "65532:65532"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "xds-bridge-health"]
    assert config["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert config["Labels"]["org.opencontainers.image.revision"] == "abc"
    builds_nothing(root)


def builds_nothing(root: Path) -> None:
    packages = next(root.glob("opt/xds-bridge/lib/python*/site-packages"))
    assert [name for name in BUILDERS if (packages / name).exists()] == []
    assert [name for name in ("builder", "source", "wheel") if (root / name).exists()] == []
    assert shutil.which("cc", path=str(root / "usr/bin")) is None


async def serves_envoys(container: Container, directory: Path, files: Path, running: Backends) -> None:
    listener = HttpListener(SocketAddress("127.0.0.1", 10000), (Route("web"),))
    options = BootstrapOptions("edge-1", "edge", (SocketAddress("127.0.0.1", 18000),), listeners=(listener,))
    # An Envoy that waits for it for too long goes on without clusters.
    await eventually(
        lambda: healthy(container, "--ready"), timeout=120, what=f"the bridge is ready; see {container.log}"
    )
    async with EnvoyProcess(render(options), directory), Load("http://127.0.0.1:10000/") as load:
        await load.more(50)
        assert await container.run("xds-bridge-health") == (0, "")
        assert (await container.run("touch", "/opt/xds-bridge/anything"))[0] == 1, "the root is read-only"
        assert (await container.run("touch", "/var/lib/xds-bridge/anything"))[0] == 0

        await running.start("c")
        write(files, running)
        await eventually(lambda: load.answers["c"] > 0, timeout=30, what="a new endpoint gets requests")

        assert await container.stop() == 0
        await load.more(50)
        assert not await healthy(container)
        await container.start()
        await eventually(lambda: healthy(container), timeout=60, what="the container lives again")
        await load.more(50)
        assert load.failures == [], load.failures


async def needs_as_much_memory_as_documented(container: Container, files: Path) -> None:
    """docs/container.md says how much: 200 Envoys, each with 1,000 services of 10 endpoints."""
    services = {
        f"service-{number:03}": [
            {"address": f"10.1.{number // 250}.{number % 250}", "port": 8000 + n} for n in range(10)
        ]
        for number in range(999)
    }
    replace(files, services | {"web": [{"address": "10.2.0.1", "port": 8080}]})
    async with crowd(18000, 200, [*services, "web"]):
        _, status = await container.run("cat", "/proc/1/status")
        print("PEAK", peak(status) >> 20)
        assert 0 < peak(status) < 256 << 20, status


def ten(address: str) -> list[dict[str, object]]:
    return [{"address": address, "port": 8000 + number} for number in range(10)]


def peak(status: str) -> int:
    """The most bytes of memory that a process has had (proc_pid_status(5))."""
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:"))


async def serves_as_a_task_of_ecs(directory: Path, root: Path, image: dict[str, object]) -> None:
    """What Terraform's example `complete` makes, run as ECS runs it; of AWS, moto is there, which judges each call."""
    async with tasks(directory, root, image) as (site, bridge, edge):
        serving = await bridge.start(keeping="state")
        await eventually(lambda: healthy(serving, "--ready"), timeout=120, what=f"the task is ready; see {serving.log}")
        assert await serving.run(*bridge.health_check()) == (0, "")
        envoy = await edge.start()
        # An Envoy answers nothing before it has its clusters.
        await eventually(lambda: listening(8080), timeout=60, what="the Envoy of the task listens")
        async with Load("http://127.0.0.1:8080/") as load:
            await eventually(lambda: {"t1", "v1", "c1"} <= set(load.answers), timeout=60, what="all three are asked")
            site.start("t2")
            await eventually(lambda: load.answers["t2"] > 0, timeout=60, what="a new task of the service is asked")

            assert await serving.stop() == 0
            await load.more(50)
            serving = await bridge.start(keeping="state")
            await eventually(lambda: healthy(serving, "--ready"), timeout=120, what="the next task is ready")
            status, told = await serving.run("xds-bridge", "status")
            assert status == 0, told
            await load.more(50)
            assert load.failures == [], load.failures
        assert (await envoy.stop(), await serving.stop()) == (0, 0)
        bridge.require_no_secret()
        edge.require_no_secret()


async def listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def healthy(container: Container, *arguments: str) -> bool:
    return (await container.run("xds-bridge-health", *arguments))[0] == 0


def write(files: Path, running: Backends) -> None:
    """Have the backends in the file of endpoints."""
    endpoints = [{"address": key.address, "port": key.port} for key in running.addresses.values()]
    replace(files, {"web": endpoints})


def replace(files: Path, services: dict[str, list[dict[str, object]]]) -> None:
    """Replace the file of endpoints in one go."""
    (files / "endpoints.new").write_text(json.dumps({"services": services}))
    (files / "endpoints.new").replace(files / "endpoints.json")


@pytest.mark.timeout(PATIENCE)
async def test_the_image_holds_a_bridge_that_serves_envoys(tmp_path: Path, repository: Path) -> None:
    assert await tell(__file__, tmp_path, repository, superuser=True) == ""


async def test_the_dockerfile_is_as_hadolint_likes_it(repository: Path) -> None:
    linter = repository / ".cache/venv/bin/hadolint"
    process = await asyncio.create_subprocess_exec(linter, repository / "Dockerfile", stdout=asyncio.subprocess.PIPE)

    told, _ = await process.communicate()

    assert (process.returncode, told.decode()) == (0, "")


if __name__ == "__main__":
    asyncio.run(story(Path(sys.argv[1])))
