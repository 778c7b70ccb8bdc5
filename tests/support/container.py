"""The image of the Dockerfile, built by the real buildah, and containers of it, run by the real crun.

For a process that is root in a network of its own (`far_network.tell`).
"""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts import containers
from scripts.step import ROOT
from scripts.wheels import WHEELS
from support.confidential import require_none

BUILDAH, CRUN = containers.BUILDAH / "usr/bin/buildah", containers.CRUN / "usr/bin/crun"
_CONTAINERS = containers.BUILDAH / "etc/containers"
_POLICY: tuple[str | Path, ...] = ("--signature-policy", _CONTAINERS / "policy.json")
_CGROUPS = "mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup"
"""crun refuses both versions of control groups side by side; in a mount namespace of its own there is one."""


async def output(*command: str | Path) -> str:
    """What a command writes to its standard output; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    written, errors = await process.communicate()
    assert process.returncode == 0, f"{command} ended with {process.returncode}: {errors.decode()[-3000:]}"
    return written.decode()


@dataclass(frozen=True)
class Image:
    """A built image."""

    store: Path
    name: str

    async def inspect(self) -> dict[str, object]:
        """Its configuration, as Docker has it."""
        text = await output(*self.buildah("inspect", "--type", "image", self.name))
        require_none(text, f"the image {self.name}")
        described = json.loads(text)["Docker"]
        assert isinstance(described, dict)
        return described

    async def size(self) -> int:
        """Bytes of all its layers."""
        listed = json.loads(await output(*self.buildah("images", "--json", self.name)))
        return _bytes(listed[0]["size"])

    async def unpack(self) -> Path:
        """Its file system, as a container of it begins."""
        container = (await output(*self.buildah("from", *_POLICY, self.name))).strip()
        return Path((await output(*self.buildah("mount", container))).strip())

    def buildah(self, verb: str, *arguments: str | Path) -> list[str | Path]:
        """A command line of buildah for where this image is."""
        return buildah(self.store, verb, *arguments)


def buildah(store: Path, verb: str, *arguments: str | Path) -> list[str | Path]:
    """A command line of buildah that keeps everything in a folder."""
    registries = _CONTAINERS / "registries.conf"
    places = ("--root", store / "root", "--runroot", store / "run", "--storage-driver", "vfs")
    return [BUILDAH, *places, "--registries-conf", registries, verb, *arguments]


@contextlib.asynccontextmanager
async def images(directory: Path) -> AsyncIterator[tuple[Image, Image]]:
    """The base image that debootstrap has made, and ours, built on it without a network; gone after the block."""
    store = directory / "images"
    try:
        base = (await output(*buildah(store, "from", *_POLICY, "scratch"))).strip()
        await output(*buildah(store, "add", base, containers.CLEAN, "/"))
        await output(*buildah(store, "commit", *_POLICY, "--rm", base, "localhost/base"))
        arguments = ("BASE=localhost/base", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels", "VERSION=1.2.3", "REVISION=abc")
        options = [part for argument in arguments for part in ("--build-arg", argument)]
        wheels = ("--volume", f"{WHEELS}:/wheels:ro")
        how = (*_POLICY, "--isolation", "chroot", "--format", "docker", *options, *wheels)
        await output(*buildah(store, "bud", *how, "--tag", "localhost/xds-bridge", ROOT))
        yield Image(store, "localhost/base"), Image(store, "localhost/xds-bridge")
    finally:
        shutil.rmtree(store, ignore_errors=True)


class Container:
    """One container, as ECS would run it: its image's user, no rights, a read-only root; this process' network.

    Args:
        directory: for its files.
        root: the file system of its image.
        image: what `Image.inspect` says.
        mounts: folders of this machine by where the container has them, read-only.
        writable: where it may write.
    """

    def __init__(
        self,
        directory: Path,
        root: Path,
        image: dict[str, object],
        mounts: dict[str, Path],
        writable: Sequence[str],
    ) -> None:
        self.log = directory / "container.log"
        self._bundle, self._state = directory / "bundle", directory / "crun"
        self._root, self._image, self._mounts, self._writable = root, image, mounts, writable
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it."""
        self._bundle.mkdir(exist_ok=True)
        (self._bundle / "config.json").write_text(json.dumps(self._specification(), indent=2))
        crun = f"{_CGROUPS} && exec {CRUN} --cgroup-manager=disabled --root {self._state} run -b {self._bundle} bridge"
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                "unshare", "--mount", "sh", "-c", crun, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
            )

    async def run(self, *command: str) -> tuple[int, str]:
        """Run a command in it, as its own user: its exit status, and what it wrote."""
        process = await asyncio.create_subprocess_exec(
            *(CRUN, "--cgroup-manager=disabled", "--root", self._state),
            *("exec", "--user", "65532:65532", "bridge", *command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        text, _ = await process.communicate()
        return process.returncode or 0, text.decode()

    async def stop(self) -> int:
        """Send it the signal that its image names; returns its exit status."""
        assert self._process
        signal = _config(self._image)["StopSignal"]
        await output(CRUN, "--cgroup-manager=disabled", "--root", self._state, "kill", "bridge", str(signal))
        async with asyncio.timeout(30):
            return await self._process.wait()

    def _specification(self) -> dict[str, object]:
        """https://github.com/opencontainers/runtime-spec/blob/main/config.md"""
        image = _config(self._image)
        user, group = str(image["User"]).split(":")
        mounts: list[dict[str, object]] = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
        ]
        for place, source in self._mounts.items():
            options = ["rbind", "ro"]
            mounts.append({"destination": place, "type": "bind", "source": str(source), "options": options})
        for place in self._writable:
            options = ["mode=0700", f"uid={user}", f"gid={group}"]
            mounts.append({"destination": place, "type": "tmpfs", "source": "tmpfs", "options": options})
        return {
            "ociVersion": "1.0.0",
            "process": {
                "terminal": False,
                "user": {"uid": int(user), "gid": int(group)},
                "args": [*_list(image["Entrypoint"]), *_list(image["Cmd"])],
                "env": _list(image["Env"]),
                "cwd": "/",
                "noNewPrivileges": True,
                "capabilities": {},
            },
            "root": {"path": str(self._root), "readonly": True},
            "mounts": mounts,
            "linux": {"namespaces": [{"type": each} for each in ("pid", "ipc", "uts", "mount")]},
        }


def _config(image: dict[str, object]) -> dict[str, object]:
    config = image["config"]
    assert isinstance(config, dict)
    return config


def _list(value: object) -> list[str]:
    assert isinstance(value, list)
    return value


def _bytes(text: str) -> int:
    number, unit = text.split()
    return round(float(number) * {"KB": 1e3, "MB": 1e6, "GB": 1e9}[unit])
