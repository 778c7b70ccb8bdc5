"""Tasks of ECS as their definitions say: containers one after the other, volumes, secrets, and ECS's own endpoints.

For a process that is root in a network of its own (`far_network.tell`).
"""

import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from aiohttp import web

from support.confidential import require_none
from support.container import Container, Mounts, output
from support.http_server import answering
from support.terraform import Json
from support.terraform_examples import containers

ECS = "169.254.170.2"
"""Where a task asks for its credentials and for its metadata; nobody else has this address."""
_CREDENTIALS = "/v2/credentials/b9a1"
_METADATA = "/v4/c0ffee"
VARIABLES = {
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": _CREDENTIALS,
    "ECS_CONTAINER_METADATA_URI_V4": f"http://{ECS}{_METADATA}",
}
"""What ECS adds to the environment of each container."""


@asynccontextmanager
async def ecs_endpoints(credentials: Mapping[str, str], task: str) -> AsyncIterator[None]:
    """What the agent of ECS answers a task: the credentials of its role, and who it is."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == _CREDENTIALS:
            return web.json_response(dict(credentials))
        if request.path == f"{_METADATA}/task":
            return web.json_response({"TaskARN": task, "AvailabilityZone": "eu-west-1a"})
        return web.Response(status=404)

    await output("ip", "addr", "add", f"{ECS}/32", "dev", "lo")
    async with answering(answer, host=ECS, port=80):
        yield


class EcsTask:
    """A task of this definition, whose containers have the same image, which has all that any of them needs.

    Args:
        directory: for its files, which are those of the task before it in the same directory.
        definition: as Terraform plans it.
        root: the file system of the image.
        image: what `Image.inspect` says.
        secrets: what the secrets are, by what the definition names them by.
        environment: variables beside those of the definition.
        files: further files and folders, by where the containers have them.
    """

    def __init__(
        self,
        directory: Path,
        definition: Json,
        root: Path,
        image: dict[str, object],
        *,
        secrets: Mapping[str, str],
        environment: Mapping[str, str],
        files: Mapping[str, Path],
    ) -> None:
        self._directory, self._root, self._image = directory, root, image
        self._definitions = containers(definition)
        self._secrets, self._environment, self._files = secrets, environment, files
        self._containers: list[Container] = []

    async def start(self, *, keeping: str = "") -> Container:
        """Start each container when those that it depends on have ended well; returns the one that the task is for.

        Of several that may start, the essential one is first: nothing but `dependsOn` says otherwise.

        Args:
            keeping: the volume that is on EFS, and is not empty when a task before it has used it.
        """
        volumes, waiting, ended = self._volumes(keeping), dict(self._definitions), set[str]()
        essential: Container | None = None
        while waiting:
            name = max(
                (each for each, described in waiting.items() if _needed(described) <= ended),
                key=lambda each: bool(waiting[each]["essential"]),
            )
            container = self._container(name, volumes)
            self._containers.append(container)
            await container.start()
            if waiting.pop(name)["essential"]:
                essential = container
            else:
                assert await container.end() == 0, container.log.read_text()
                ended.add(name)
        assert essential
        return essential

    def health_check(self) -> list[str]:
        """The command by which ECS sees whether the essential container lives."""
        (checked,) = (each["healthCheck"] for each in self._definitions.values() if "healthCheck" in each)
        kind, *command = cast("Mapping[str, list[str]]", checked)["command"]
        assert kind == "CMD"
        return command

    async def remove(self) -> None:
        """Have nothing of it run any more."""
        for container in self._containers:
            await container.remove()

    def require_no_secret(self) -> None:
        """Fail where a secret is in what a container wrote, or in the definition."""
        require_none(json.dumps(self._definitions), "the task definition")
        for container in self._containers:
            require_none(container.log.read_text(), str(container.log))

    def _volumes(self, keeping: str) -> dict[str, Path]:
        """Of each volume, the folder; a new one takes over whose it is from the image."""
        places: dict[str, str] = {}
        for container in self._definitions.values():
            for mount in _mounts(container):
                places.setdefault(mount["sourceVolume"], mount["containerPath"])
        declared = cast("Mapping[str, Mapping[str, object]]", self._image["config"])["Volumes"]
        volumes = {name: self._directory / f"volume-{name}" for name in places}
        for name, folder in volumes.items():
            if name == keeping and folder.exists():
                continue
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            if places[name] in declared:
                like = (self._root / places[name].lstrip("/")).stat()
                os.chown(folder, like.st_uid, like.st_gid)
        return volumes

    def _container(self, name: str, volumes: Mapping[str, Path]) -> Container:
        described = self._definitions[name]
        assert described["readonlyRootFilesystem"] is True
        limits = cast("Mapping[str, object]", described["linuxParameters"])
        assert limits["capabilities"] == {"drop": ["ALL"]}  # which is how each container runs here
        mounts = {str(each["containerPath"]): each for each in _mounts(described)}
        places = {place: volumes[each["sourceVolume"]] for place, each in mounts.items()}
        read_only = {place: folder for place, folder in places.items() if mounts[place]["readOnly"]}
        writable = {place: folder for place, folder in places.items() if place not in read_only}
        given = {each["name"]: each["value"] for each in _listed(described, "environment")}
        given |= {each["name"]: self._secrets[each["valueFrom"]] for each in _listed(described, "secrets")}
        command = [str(part) for key in ("entryPoint", "command") for part in _listed(described, key)]
        return Container(
            self._directory,
            self._root,
            self._image,
            Mounts({**self._files, **read_only}, writable),
            name=name,
            command=command,
            environment={**given, **VARIABLES, **self._environment},
            user=str(described["user"]),
        )


def _needed(container: Json) -> set[str]:
    """The containers that have to end well before this one starts."""
    needed = _listed(container, "dependsOn")
    assert all(each["condition"] == "SUCCESS" for each in needed)
    return {each["containerName"] for each in needed}


def _mounts(container: Json) -> list[dict[str, str]]:
    return cast("list[dict[str, str]]", container["mountPoints"])


def _listed(container: Json, key: str) -> list[dict[str, str]]:
    return cast("list[dict[str, str]]", container.get(key) or [])
