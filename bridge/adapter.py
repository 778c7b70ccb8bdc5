"""The plugin interface: all that an adapter sees of the bridge, and all that the bridge sees of an adapter.

An adapter is found by the entry-point group `bridge.adapters`, the entry point's name being the `type` in the
configuration; ours are registered the same way as a stranger's. It holds no retry, no timer, no queue and no diff:
it raises `SourceError` and the supervisor does the rest.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bridge.model import Entry, InstanceId, Scope, ServiceName, SourceName
from bridge.permission import Grant
from bridge.poll import Poll
from bridge.problem import Path
from bridge.provenance import Question, Statement

T = TypeVar("T")
ConfigT_contra = TypeVar("ConfigT_contra", bound="AdapterConfig", contravariant=True)

DURATION_PATTERN = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$"
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", re.ASCII)
_LONGEST = 10 * 365 * 24 * 3600.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(value: object) -> object:
    """Turn the text of a duration, such as `250ms`, into seconds; anything but text passes for pydantic to judge.

    Raises:
        ValueError: the text is not a number with a unit, or longer than ten years, which no timer takes.
    """
    if not isinstance(value, str):
        raise ValueError("a duration is a number with a unit, such as 250ms, 30s, 5m or 1h")  # noqa: TRY004 (pydantic reports ValueError alone)
    found = _DURATION.fullmatch(value)
    if not found:
        raise ValueError(f"{value[:60]!r} is not a duration; write a number and a unit, such as 250ms, 30s, 5m or 1h")
    length = float(found[1]) * _UNITS[found[2]]
    if length > _LONGEST:
        raise ValueError(f"{value[:60]!r} is longer than ten years")
    return length


Duration = Annotated[
    float,
    BeforeValidator(seconds, json_schema_input_type=Annotated[str, Field(pattern=DURATION_PATTERN)]),
]
"""Seconds, written in the configuration as `250ms`, `30s`, `5m` or `1h`."""

Glob = Annotated[str, Field(min_length=1, json_schema_extra={"x-kind": "glob"})]
"""A pattern for names, with `*`, `?` and `[abc]`, as `fnmatch` of the standard library has it; case counts."""


class AdapterConfig(BaseModel):
    """What every adapter's own configuration model has in common: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Sink(Protocol):
    """Where one source puts what it has read. Synchronous; cannot fail and cannot block.

    The registry replaces by scope, never by source: a read of one scope says nothing about another.
    """

    def replace(
        self,
        scope: Scope,
        services: Mapping[ServiceName, frozenset[Entry]],
        *,
        complete: bool = True,
        removed: frozenset[InstanceId] = frozenset(),
    ) -> None:
        """Hand over one read of a scope.

        Args:
            scope: what was read.
            services: every service seen in it; one with no entries exists and is empty.
            complete: False for a read that may have missed something: it adds and changes, and removes nothing
                but what `removed` names.
            removed: instances that the source itself reported as ended (positive evidence).
        """

    def update(self, scope: Scope, service: ServiceName, entries: frozenset[Entry]) -> None:
        """Hand over all entries of one service of a scope, from a complete read. None left is `frozenset()`."""

    def remove(self, scope: Scope, service: ServiceName) -> None:
        """Say that a service no longer exists in a scope. Not the same as a service without endpoints."""

    def doubt(self, scope: Scope | None, reason: str, *, lost: bool = False) -> None:
        """Say that absences mean nothing for now, such as when what is always there cannot be seen either.

        What is missing stays for as long as there is a doubt, and until an operator releases it.

        Args:
            scope: where; None for the whole source, whatever its scopes are.
            reason: why, for the operator; empty when absences mean something again.
            lost: the registry seems to have lost its data, which may come back bit by bit: what is missing meanwhile is
                held beyond the end of the doubt, one endpoint at a time, until it is there again.
        """


class AdapterContext(Protocol):
    """What the bridge gives to a running adapter."""

    @property
    def source(self) -> SourceName:
        """The name of the source in the configuration."""

    @property
    def allow_empty(self) -> bool:
        """Whether the operator said that finding nothing at all is to be believed (`allow_empty: true`)."""

    @property
    def sink(self) -> Sink:
        """Where to put what was read."""

    def ticks(self, interval: float) -> AsyncIterator[None]:
        """Yield now and then once every `interval` seconds; late ticks coalesce and never overlap."""

    async def supervise(self, name: str, work: Callable[[], Awaitable[None]], *, vital: bool = True) -> None:
        """Run `work` until it returns; on `SourceError` wait with a jittered back-off and run it again.

        Args:
            name: what is being read, for the log (`service "web"`).
            work: one attempt; when it has read something it says so by `succeeded`, which resets the back-off.
            vital: whether the source is only as fresh as this read; not for what merely has others come sooner.
        """

    def succeeded(self, name: str = "") -> None:
        """Say that a read succeeded, also when nothing had changed.

        A source is as fresh as the one of its reads that succeeded the longest ago; its own `run` counts while there
        is no other.

        Args:
            name: the `supervise` name it belongs to; empty for the adapter's own `run`.
        """

    def requested(self, operation: str, code: str, duration: float) -> None:
        """Count one API call: a bounded operation name, the status or error code, and how many seconds it took."""

    def polled(self, name: str, poll: Poll) -> None:
        """Tell what the last pass of a read that polls has cost, and when it is read again.

        Args:
            name: the `supervise` name it belongs to; empty for the adapter's own `run`.
            poll: replaces what was told before.
        """

    def noticed(self, event: str, **fields: object) -> None:
        """Log something that needs an operator's eye and is no failure of a read (`consul.connections_limited`).

        Args:
            event: a constant in the past tense, not a sentence.
            fields: what it is about; the source's name is added.
        """

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """The process-wide object of this key, made on first use.

        For what all sources of a process share, such as the connections to one Consul agent. Two adapters that use
        the same key must mean the same thing; begin it with the adapter's type.
        """


class Adapter(Protocol):
    """Reads one source for as long as it runs."""

    async def run(self, context: AdapterContext) -> None:
        """Report full state first (`replace`), then changes; end only when cancelled, within a second.

        Raises:
            SourceError: the source cannot be read now. The supervisor counts it, backs off and calls `run` again.
        """


class AdapterType(Protocol[ConfigT_contra]):
    """What an entry point names: the adapter's class, with its `Config` as an attribute."""

    @property
    def Config(self) -> type[AdapterConfig]:  # noqa: N802 (a class, read as an attribute)
        """The model of the adapter's own configuration keys."""

    def __call__(self, config: ConfigT_contra) -> Adapter:
        """Build the adapter; does no I/O.

        Raises:
            ConfigError: the configuration cannot work, such as a certificate that cannot be read.
        """


class Permitted(Protocol[ConfigT_contra]):
    """What an adapter's class can say beside: what a source has to be allowed where it reads. Optional.

    `xds-bridge iam-policy` writes policies of it, so it is for sources in AWS; others have permissions of other forms.
    """

    def permissions(self, config: ConfigT_contra, account: str) -> Sequence[Grant]:
        """All that is needed under a configuration and nothing else; does no I/O.

        Args:
            config: of the source.
            account: number of the account of the bridge's own credentials; empty where it is not known.
        """


class Exclusive(Protocol[ConfigT_contra]):
    """What an adapter's class can say beside: what only one source can have, such as a queue. Optional."""

    def exclusive(self, config: ConfigT_contra) -> Sequence[tuple[Path, str]]:
        """All of that under a configuration, each with where in the source's keys it is named; does no I/O."""


class Searching(Protocol[ConfigT_contra]):
    """What an adapter's class can say beside: where it looks, for an operator whose source finds nothing. Optional."""

    def searched(self, config: ConfigT_contra) -> str:
        """Where and for what a source looks, as the end of a sentence that tells what to compare; does no I/O."""


@runtime_checkable
class Explaining(Protocol):
    """What an adapter can do beside: tell what its source has of one thing, and what became of it. Optional.

    A person asks now and then; until then it costs nothing, so no adapter keeps what only this needs.
    """

    async def explain(self, question: Question) -> Statement:
        """What there is of a service or an address, that which is left out by configuration or state included.

        Called beside `run`, which may not have begun or may fail just now; changes nothing that `run` knows.

        Raises:
            SourceError: it cannot be told now.
        """
