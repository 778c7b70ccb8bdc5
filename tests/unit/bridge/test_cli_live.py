"""What `check --live` makes of adapters that behave in every way they may."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from bridge.adapter import Adapter, AdapterConfig, AdapterContext
from bridge.cli import live
from bridge.config import SourceConfig, build_adapters
from bridge.errors import ConfigError, SourceError
from bridge.model import Endpoint, Entry, Health, InstanceId, Scope, ServiceName, SetAside, SourceName
from bridge.poll import Poll

Script = Callable[[AdapterContext], Awaitable[None]]
WEB = ServiceName("web")


@dataclass
class Scripted:
    """An adapter that does what a test says."""

    script: Script

    async def run(self, context: AdapterContext) -> None:
        await self.script(context)


def source(name: str = "a", *, allow_empty: bool = False) -> SourceConfig:
    return SourceConfig(
        name=SourceName(name), type="scripted", allow_empty=allow_empty, adapter=Unbuilt, options=AdapterConfig()
    )


class Unbuilt:
    Config = AdapterConfig

    def __init__(self, config: AdapterConfig) -> None:
        raise ConfigError("cannot read the certificate")

    async def run(self, context: AdapterContext) -> None:
        raise NotImplementedError


async def read(script: Script, *, timeout: float = 30.0, allow_empty: bool = False) -> live.Reading:
    (reading,) = await live.read_once([source(allow_empty=allow_empty)], {SourceName("a"): Scripted(script)}, timeout)
    return reading


def put(context: AdapterContext, *entries: Entry) -> None:
    context.sink.replace(Scope("all"), {WEB: frozenset(entries)})


async def test_a_reading_ends_with_the_first_full_pass() -> None:
    aside = SetAside(InstanceId("i"), "nowhere:80", "no IP")

    async def script(context: AdapterContext) -> None:
        async for _ in context.ticks(0.001):
            put(context, Endpoint("10.0.0.1", 80, Health.DRAINING), aside)
            context.requested("list", "200", 0.1)
            context.succeeded()
            context.requested("watch", "cancelled", 0.1)

    reading = await read(script)

    assert reading.findings == ()
    assert reading.statistics.endpoints[Health.DRAINING] == 1
    assert [(service, each.entry) for service, each in reading.set_aside] == [("web", aside)]
    assert reading.requests == {("list", "200"): 1}


async def test_a_reading_ends_with_the_first_failure() -> None:
    async def script(context: AdapterContext) -> None:
        context.requested("list", "403", 0.1)
        raise SourceError("cannot list services (403)")

    reading = await read(script)

    assert reading.findings == ("cannot list services (403)",)
    assert reading.requests["list", "403"] == 1


async def test_one_failed_part_is_a_finding_and_the_others_are_still_read() -> None:
    async def failing() -> None:
        raise SourceError('cannot read service "api" (500)')

    async def script(context: AdapterContext) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(context.supervise('service "api"', failing))
            put(context, Endpoint("10.0.0.1", 80))
            context.succeeded('service "web"')

    reading = await read(script)

    assert reading.findings == ('cannot read service "api" (500)',)
    assert not reading.complete
    assert reading.statistics.endpoints[Health.HEALTHY] == 1


async def test_what_is_missing_and_what_polling_costs_are_kept() -> None:
    poll = Poll("self/eu-west-1", (), 15, 15, 5)

    async def denied() -> None:
        raise SourceError("denied", retry_after=60, missing=("ecs:ListTasks",))

    async def script(context: AdapterContext) -> None:
        async def polls() -> None:
            context.polled("a", poll)
            await asyncio.Event().wait()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(context.supervise("a", polls))
            tasks.create_task(context.supervise("b", denied))

    reading = await read(script)

    assert reading.findings == ("denied",)
    assert reading.missing == ("ecs:ListTasks",)
    assert reading.polls == [poll]


async def test_a_source_that_says_nothing_is_a_finding_when_the_time_is_over() -> None:
    async def script(context: AdapterContext) -> None:
        await asyncio.Event().wait()

    reading = await read(script, timeout=0.05)

    assert reading.findings[0].startswith("not read completely within 0.")


async def test_of_a_source_that_finds_nothing_it_is_told_where_it_looks() -> None:
    class Looking(Unbuilt):
        @staticmethod
        def searched(_: AdapterConfig) -> str:
            return "it looks under the carpet: is this the right one?"

    async def script(context: AdapterContext) -> None:
        context.sink.replace(Scope("all"), {})
        context.succeeded()
        await asyncio.Event().wait()

    looking = SourceConfig(name=SourceName("a"), type="scripted", adapter=Looking, options=AdapterConfig())
    (told,) = await live.read_once([looking], {SourceName("a"): Scripted(script)}, 30)
    untold = await read(script)

    waits = "no endpoint found; the bridge waits for one unless the source says `allow_empty: true`"
    assert told.findings == (f"{waits}; it looks under the carpet: is this the right one?",)
    assert untold.findings == (waits,)


async def test_a_bug_in_an_adapter_is_a_finding() -> None:
    async def script(context: AdapterContext) -> None:
        raise ZeroDivisionError

    reading = await read(script)

    assert reading.findings == ("a bug in the adapter",)


@pytest.mark.parametrize("allow_empty", [False, True])
async def test_finding_nothing_is_fine_where_it_is_allowed(*, allow_empty: bool) -> None:
    async def script(context: AdapterContext) -> None:
        put(context)
        context.succeeded()
        await asyncio.Event().wait()

    reading = await read(script, allow_empty=allow_empty)

    assert (reading.findings == ()) is allow_empty


async def test_sources_are_read_side_by_side() -> None:
    met = asyncio.Barrier(2)

    async def script(context: AdapterContext) -> None:
        await met.wait()
        put(context, Endpoint("10.0.0.1", 80))
        context.succeeded()
        await asyncio.Event().wait()

    adapters: dict[SourceName, Adapter] = {SourceName(name): Scripted(script) for name in ("a", "b")}
    readings = await live.read_once([source("a"), source("b")], adapters, 30.0)

    assert [(reading.source.name, reading.findings) for reading in readings] == [("a", ()), ("b", ())]


def test_adapters_that_cannot_be_built_are_named_together() -> None:
    with pytest.raises(ConfigError) as caught:
        build_adapters([source("a"), source("b")])

    assert str(caught.value).splitlines() == [
        'source "a": cannot read the certificate',
        'source "b": cannot read the certificate',
    ]
