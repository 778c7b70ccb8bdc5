"""Reads endpoints from a YAML or JSON file: for what no registry knows, and as the smallest example of an adapter.

The file is polled, not watched by inotify: see `adapters/_watch.py`.
"""

import asyncio
import difflib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from adapters._watch import WatchedFile
from bridge.adapter import AdapterConfig, AdapterContext, Duration
from bridge.errors import SourceError
from bridge.model import (
    Endpoint,
    EndpointKey,
    Entry,
    Health,
    InstanceId,
    Locality,
    Scope,
    ServiceName,
    SetAside,
    UpstreamProtocol,
    canonical_address,
)

Services = Mapping[ServiceName, frozenset[Entry]]


class FileConfig(AdapterConfig):
    """Configuration of a source of type `file`."""

    path: Path
    """The file. Write it elsewhere and rename it into place: then it is never seen half-written."""
    interval: Annotated[Duration, Field(ge=0.01)] = 0.25
    """How often to look whether the file has changed."""


class FileAdapter:
    """Keeps one file in view; the file is its only scope."""

    Config: ClassVar[type[FileConfig]] = FileConfig

    def __init__(self, config: FileConfig) -> None:
        self._file = WatchedFile(config.path)
        self._interval = config.interval
        self._parsed: bytes | None = None
        self._outcome: Services | str = ""

    async def run(self, context: AdapterContext) -> None:
        """Report the whole file whenever its content is another; a fixed file is seen as fast as a changed one."""
        # One thread of its own: a file system that hangs must hold up nobody else.
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"file-{context.source}")
        reported: Services | None = None
        try:
            async for _ in context.ticks(self._interval):
                services = await asyncio.get_running_loop().run_in_executor(executor, self._look)
                if services is not reported:
                    context.sink.replace(Scope(str(self._file.path)), services)
                    reported = services
                context.succeeded()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> Services:
        """What the file says, parsed once; runs in the thread."""
        try:
            content = self._file.look()
        except OSError as error:
            message = f"cannot read {self._file.path} ({error.strerror}); restore the file"
            raise SourceError(message, retry_after=self._interval) from error
        if content is not self._parsed:
            self._parsed, self._outcome = content, _outcome(content, str(self._file.path))
        if isinstance(self._outcome, str):
            raise SourceError(self._outcome, retry_after=self._interval)
        return self._outcome


def _outcome(content: bytes, file: str) -> Services | str:
    try:
        return parse(content, file)
    except SourceError as error:
        return str(error)


def parse(content: bytes, file: str) -> Services:
    """Turn the content of a file into services; an endpoint that is wrong is set aside alone.

    Raises:
        SourceError: the content is broken as a whole.
    """
    document = _load(content, file)
    if not isinstance(document, CommentedMap) or not isinstance(document.get("services"), CommentedMap):
        raise SourceError(f"{file}:1:1: expected `services:` with services below it; write `services: {{}}` for none")
    for key in document:
        if key != "services":
            raise SourceError(f"{_place(file, document.lc.key(key))}: unknown key {key!r}; `services` is the only one")
    services = document["services"]
    return {_name(file, services, key): frozenset(_entries(file, services, key)) for key in services}


def _load(content: bytes, file: str) -> object:
    try:
        document: object = YAML(typ="rt", pure=True).load(content.decode("utf-8-sig"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(file, (mark.line, mark.column) if mark else (0, 0))
        raise SourceError(f"{place}: {error.problem or error.context}") from error
    except (YAMLError, ValueError, LookupError, RecursionError) as error:  # the library lets them all through
        raise SourceError(f"{file}: is not YAML: {str(error).splitlines()[0]}") from error
    return document


def _name(file: str, services: CommentedMap, key: object) -> ServiceName:
    if not isinstance(key, str):
        raise SourceError(f"{_place(file, services.lc.key(key))}: the name of a service is text; write {str(key)!r}")
    return ServiceName(key)


def _entries(file: str, services: CommentedMap, key: object) -> Iterator[Entry]:
    items = services[key]
    if not isinstance(items, CommentedSeq):
        place = _place(file, services.lc.key(key))
        raise SourceError(f"{place}: service {key!r} is not a list of endpoints; write `{key}: []` for none")
    lines: dict[EndpointKey, int] = {}
    for index, item in enumerate(items):
        line = items.lc.item(index)[0] + 1
        try:
            endpoint = _endpoint(item)
            if lines.setdefault(endpoint.key, line) != line:
                raise ValueError(f"{endpoint.key} is already on line {lines[endpoint.key]}")  # noqa: TRY301 (a reason like the others)
            yield endpoint
        except ValueError as error:
            yield SetAside(InstanceId(""), _reported(item), f"{file}:{line}: {error}")


class _FileEndpoint(AdapterConfig):
    """An endpoint as the file has it."""

    model_config = ConfigDict(strict=True)

    address: str
    port: int
    region: str = ""
    zone: str = ""
    sub_zone: str = ""
    weight: int = 1
    health: Annotated[Health, Field(strict=False)] = Health.HEALTHY
    protocol: Annotated[UpstreamProtocol | None, Field(strict=False)] = None
    metadata: dict[str, str] = Field(default_factory=dict)


def _endpoint(item: object) -> Endpoint:
    try:
        read = _FileEndpoint.model_validate(dict(item.items()) if isinstance(item, CommentedMap) else item)
    except ValidationError as error:
        raise ValueError("; ".join(_mistakes(error))) from error
    return Endpoint(
        address=canonical_address(read.address),
        port=int(read.port),
        health=read.health,
        weight=int(read.weight),
        locality=Locality(read.region, read.zone, read.sub_zone),
        metadata=tuple(sorted(read.metadata.items())),
        protocol=read.protocol,
    )


def _mistakes(error: ValidationError) -> Iterator[str]:
    for mistake in error.errors(include_url=False):
        key = ".".join(str(part) for part in mistake["loc"])
        if mistake["type"] != "extra_forbidden":
            yield f"{key}: {mistake['msg']}" if key else "an endpoint is a mapping with address and port"
            continue
        near = difflib.get_close_matches(key, _FileEndpoint.model_fields, n=1)
        yield f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _reported(item: object) -> str:
    if not isinstance(item, CommentedMap):
        return str(item)[:100]
    return f"{item.get('address', '')}:{item.get('port', '')}"[:100]


def _place(file: str, position: tuple[int, int]) -> str:
    return f"{file}:{position[0] + 1}:{position[1] + 1}"
