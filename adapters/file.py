"""Reads endpoints from a YAML or JSON file: for what no registry knows, and as the smallest example of an adapter.

The file is polled, not watched by inotify: see `adapters/_watch.py`.
"""

import asyncio
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path as FilePath
from typing import Annotated, ClassVar, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from adapters._watch import WatchedFile
from bridge.adapter import AdapterConfig, AdapterContext, Duration
from bridge.document import Document, UnreadableError
from bridge.document import parse as parse_document
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
from bridge.problem import Path, Problem, kind
from bridge.provenance import Question, Search, Statement, bounded, seen

Services = Mapping[ServiceName, frozenset[Entry]]
T = TypeVar("T")

_ENDPOINT = 3  # the length of the path to an endpoint: `services`, the service, the index
_SHOWN = 100
_TOLD = 5


class FileConfig(AdapterConfig):
    """Configuration of a source of type `file`."""

    path: FilePath
    """The file. Write a new version elsewhere and rename it into place: then it is never seen half-written."""
    interval: Annotated[Duration, Field(ge=0.01)] = 0.25
    """How often to look whether the file has changed."""


class FileAdapter:
    """Keeps one file in view; the file is its only scope."""

    Config: ClassVar[type[FileConfig]] = FileConfig

    def __init__(self, config: FileConfig) -> None:
        self._file = WatchedFile(config.path, settled=config.interval)
        self._interval = config.interval
        self._parsed: bytes | None = None
        self._outcome: Services | str = ""
        self._anew: tuple[bytes, asyncio.Future[Document]] | None = None
        """What is being read anew for a question, or was and is not asked for any more."""

    async def run(self, context: AdapterContext) -> None:
        """Report the whole file whenever its content is another; a fixed file is seen as fast as a changed one."""
        # One thread of its own: a file system that hangs must hold up nobody else.
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"file-{context.source}")
        reported: Services | None = None
        try:
            async for _ in context.ticks(self._interval):
                services = await asyncio.get_running_loop().run_in_executor(executor, self._look)
                if services is None:
                    continue
                if services is not reported:
                    context.sink.replace(Scope(str(self._file.path)), services)
                    reported = services
                context.succeeded()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    async def explain(self, question: Question) -> Statement:
        """What the file has of a service or an address; see `bridge.adapter.Explaining`.

        Raises:
            SourceError: it was not read yet, or is broken as a whole.
        """
        document, file = await self._read_anew(), str(self._file.path)
        return await _in_a_thread(partial(explained, document, file, question))

    async def _read_anew(self) -> Document:
        """The file as it was read last, with its lines; nobody keeps these, since they are seldom asked for.

        It takes as long as reading the file, which may be longer than anybody waits. So it is one thread however often
        somebody asks, and what was given up is there for the next question.
        """
        while True:
            if self._parsed is None:
                raise SourceError(f"{self._file.path} was not read yet")
            if self._anew is None:
                work = partial(_document, self._parsed, str(self._file.path))
                self._anew = self._parsed, _in_a_thread(work)
            begun, reading = self._anew
            try:
                document = await asyncio.shield(reading)
            finally:
                if reading.done():
                    self._anew = None
            if begun is self._parsed:
                return document

    def _look(self) -> Services | None:
        """What the file says, parsed once; None while it may be half-written. Runs in the thread."""
        try:
            content = self._file.look()
        except OSError as error:
            message = f"cannot read {self._file.path} ({error.strerror}); restore the file"
            raise SourceError(message, retry_after=self._interval) from error
        if content is None:
            return None
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
    document = _document(content, file)
    services, unusable = _services(document), _unusable(document)
    return {ServiceName(name): frozenset(_entries(document, name, items, unusable)) for name, items in services.items()}


def _in_a_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="explain-file")
    try:
        return asyncio.get_running_loop().run_in_executor(executor, work)
    finally:
        executor.shutdown(wait=False)


def explained(document: Document, file: str, question: Question) -> Statement:
    """What a file has of what is asked about: each entry as it stands there, with its line.

    Raises:
        SourceError: it is broken as a whole.
    """
    services, unusable = _services(document), _unusable(document)
    search = Search(question)
    for name, items in services.items():
        search.wants((name,), ())  # as a name that may have been meant, also where it has no endpoint
        for index, (item, entry) in enumerate(zip(items, _entries(document, name, items, unusable), strict=True)):
            sighting = seen(entry, Scope(file), name, ())
            address, _, port = sighting.reported.rpartition(":")
            if search.wants((name,), (address.strip("[]"),), int(port) if port.isdecimal() else None):
                line = document.position(("services", name, index)).line
                search.add(replace(sighting, raw=bounded([("(line)", str(line)), *_raw(item)])))
    return search.statement(f"{len(services)} services of {file}")


def _raw(item: object) -> Iterator[tuple[str, str]]:
    if isinstance(item, dict):
        for key, value in item.items():
            pairs = value.items() if isinstance(value, dict) else ()
            text = ", ".join(f"{name}: {_short(each)}" for name, each in islice(pairs, _TOLD)) or _short(value)
            yield str(key), text


def _document(content: bytes, file: str) -> Document:
    try:
        return parse_document(file, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SourceError(f"{file}: byte {error.start} is not UTF-8") from error
    except UnreadableError as error:
        raise SourceError(str(error)) from error


def _services(document: Document) -> Mapping[str, Sequence[object]]:
    top = document.value
    services = top.get("services") if isinstance(top, dict) else None
    if not isinstance(top, dict) or not isinstance(services, dict):
        reason = "expected `services:` with services below it; write `services: {}` for none"
        raise SourceError(document.report([Problem((), reason)]))
    problems = [
        Problem((key,), "unknown key; `services` is the only one", key=True) for key in top.keys() - {"services"}
    ]
    problems += [
        Problem(("services", name), f"is not a list of endpoints; write `{name}: []` for none", key=True)
        for name, items in services.items()
        if not isinstance(items, list)
    ]
    if problems:
        raise SourceError(document.report(problems))
    return services


def _unusable(document: Document) -> Mapping[Path, str]:
    """Why an endpoint cannot be read, by its path.

    Raises:
        SourceError: something is wrong that is not within one endpoint.
    """
    unusable: dict[Path, str] = {}
    for _, problem in document.problems:
        if len(problem.path) < _ENDPOINT:
            raise SourceError(document.report())
        inner = Problem(problem.path[_ENDPOINT:], problem.message)
        unusable.setdefault(problem.path[:_ENDPOINT], str(inner))
    return unusable


def _entries(document: Document, name: str, items: Sequence[object], unusable: Mapping[Path, str]) -> Iterator[Entry]:
    lines: dict[EndpointKey, int] = {}
    for index, item in enumerate(items):
        path = ("services", name, index)
        line = document.position(path).line
        try:
            endpoint = _endpoint(item, unusable.get(path))
            if endpoint.key in lines:
                raise ValueError(f"{endpoint.key} is already on line {lines[endpoint.key]}")  # noqa: TRY301 (a reason like the others)
            lines[endpoint.key] = line
            yield endpoint
        except ValueError as error:
            yield SetAside(InstanceId(""), _reported(item), f"{document.name}:{line}: {error}")


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


def _endpoint(item: object, unusable: str | None) -> Endpoint:
    if unusable is not None:
        raise ValueError(unusable)
    try:
        read = _FileEndpoint.model_validate(item)
    except ValidationError as error:
        raise ValueError("; ".join(islice(_mistakes(error), _TOLD))) from error
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
    for mistake in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in mistake["loc"])[:_SHOWN]
        if mistake["type"] != "extra_forbidden":
            yield f"{key}: {mistake['msg']}" if key else "an endpoint is a mapping with address and port"
            continue
        near = difflib.get_close_matches(key, _FileEndpoint.model_fields, n=1)
        yield f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _reported(item: object) -> str:
    if isinstance(item, dict):
        return f"{_short(item.get('address', ''))}:{_short(item.get('port', ''))}"
    return _short(item)


def _short(value: object) -> str:
    # Not the text of a collection: a few aliases may stand for gigabytes of it.
    return str(value)[:_SHOWN] if isinstance(value, str | int | float) else kind(value)
