"""The image of the Dockerfile, built by the real buildah, and containers of it, run by the real crun.

For a process that is root in a network of its own (`far_network.tell`).
"""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
    places = ("--root", store / "root", "--runroot", store / "run", "--storage-driver", "overlay")
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
        await output(*buildah(store, "rm", "--all"))  # what is unpacked is mounted
        shutil.rmtree(store)


@dataclass(frozen=True)
class Mounts:
    """What a container has of this machine, by where it has it."""

    read_only: Mapping[str, Path] = field(default_factory=dict)
    """Files and folders."""
    writable: Mapping[str, Path] = field(default_factory=dict)
    """Folders."""
    in_memory: Sequence[str] = ()
    """Empty folders that are its own."""

    def described(self, user: int, group: int) -> Iterator[dict[str, object]]:
        """As the runtime wants them."""
        yield {"destination": "/proc", "type": "proc", "source": "proc"}
        yield {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}
        yield {"destination": "/dev/shm", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]}
        for how, folders in (("ro", self.read_only), ("rw", self.writable)):
            for place, source in folders.items():
                yield {"destination": place, "type": "bind", "source": str(source), "options": ["rbind", how]}
        for place in self.in_memory:
            options = ["mode=0700", f"uid={user}", f"gid={group}"]
            yield {"destination": place, "type": "tmpfs", "source": "tmpfs", "options": options}


class Container:
    """One container, as ECS would run it: its image's user, no rights, a read-only root; this process' network.

    Args:
        directory: for its files.
        root: the file system of its image.
        image: what `Image.inspect` says.
        mounts: what it has of this machine.
        name: of the container.
        command: what it runs, in place of what its image names.
        environment: variables beside those of its image.
        user: `UID:GID`, in place of that of its image.
    """

    def __init__(
        self,
        directory: Path,
        root: Path,
        image: dict[str, object],
        mounts: Mounts,
        *,
        name: str = "bridge",
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        user: str = "",
    ) -> None:
        self.log = directory / f"container-{name}.log"
        self._name, self._command, self._environment = name, command, environment or {}
        self._bundle, self._state = directory / f"bundle-{name}", directory / "crun"
        self._root, self._image, self._mounts = root, image, mounts
        self._user = user or str(_config(image)["User"])
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it."""
        self._bundle.mkdir(exist_ok=True)
        (self._bundle / "config.json").write_text(json.dumps(self._specification(), indent=2))
        run = " ".join(map(str, self._crun("run", "--bundle", self._bundle, self._name)))
        crun = f"{_CGROUPS} && exec {run}"
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                "unshare", "--mount", "sh", "-c", crun, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
            )

    async def run(self, *command: str) -> tuple[int, str]:
        """Run a command in it, as its own user: its exit status, and what it wrote."""
        process = await asyncio.create_subprocess_exec(
            *self._crun("exec", "--user", self._user, self._name, *command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        text, _ = await process.communicate()
        return process.returncode or 0, text.decode()

    async def stop(self) -> int:
        """Send it the signal that its image names; returns its exit status."""
        signal = _config(self._image)["StopSignal"]
        await output(*self._crun("kill", self._name, str(signal)))
        return await self.end(timeout=30)

    async def remove(self) -> None:
        """Have nothing of it run any more, whatever it did."""
        await output(*self._crun("delete", "--force", self._name))

    async def end(self, timeout: float = 60) -> int:
        """Wait until it has ended by itself; returns its exit status."""
        assert self._process
        async with asyncio.timeout(timeout):
            return await self._process.wait()

    def _crun(self, *arguments: str | Path) -> list[str | Path]:
        """A command line of crun for where this container is."""
        return [CRUN, "--cgroup-manager=disabled", "--root", self._state, *arguments]

    def _specification(self) -> dict[str, object]:
        """https://github.com/opencontainers/runtime-spec/blob/main/config.md"""
        image = _config(self._image)
        user, group = (int(number) for number in self._user.split(":"))
        return {
            "ociVersion": "1.0.0",
            "process": {
                "terminal": False,
                "user": {"uid": user, "gid": group},
                "args": [*self._command] or [*_list(image["Entrypoint"]), *_list(image["Cmd"])],
                "env": [*_list(image["Env"]), *(f"{name}={value}" for name, value in self._environment.items())],
                "cwd": "/",
                "noNewPrivileges": True,
                "capabilities": {},
            },
            "root": {"path": str(self._root), "readonly": True},
            "mounts": list(self._mounts.described(user, group)),
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
