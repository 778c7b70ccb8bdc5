"""What every adapter promises, checked against the real thing that it reads."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.adapter import Adapter
from bridge.plugins import discover
from bridge.registry import Registry
from bridge.scheduler import Scheduler
from support.context import RunningAdapter, running
from support.waiting import eventually
from support.worlds import World, worlds

Kind = tuple[str, str]
KINDS: list[Kind] = [(adapter, kind) for adapter, kinds in worlds().items() for kind in kinds]


def endpoint(number: int) -> tuple[str, int]:
    return (f"10.0.{number // 200}.{number % 200 + 1}", 8000 + number)


def services(**numbers: list[int]) -> Mapping[str, frozenset[tuple[str, int]]]:
    return {name: frozenset(map(endpoint, found)) for name, found in numbers.items()}


@pytest.fixture(params=KINDS, ids="-".join)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
async def world(kind: Kind, tmp_path: Path) -> AsyncIterator[World]:
    adapter, name = kind
    async with worlds()[adapter][name](tmp_path) as world:
        yield world


@pytest.fixture
def adapter(kind: Kind, world: World) -> Adapter:
    adapter_type = discover()[kind[0]]
    return adapter_type(adapter_type.Config.model_validate(world.options))  # type: ignore[arg-type]  # its own Config


@asynccontextmanager
async def reading(adapter: Adapter, registry: Registry | None = None) -> AsyncIterator[RunningAdapter]:
    """Run an adapter as the bridge does, from its first complete pass on."""
    with Scheduler() as scheduler:
        async with running(adapter, scheduler.ticks, registry=registry) as source:
            await eventually(lambda: source.synced, timeout=20)
            yield source
    await asyncio.sleep(0)


async def shows(source: RunningAdapter, expected: Mapping[str, frozenset[tuple[str, int]]]) -> None:
    """Wait until a source's endpoints are these."""
    try:
        await eventually(lambda: source.addresses() == expected, timeout=30)
    except AssertionError:
        assert source.addresses() == expected  # says what differs


def test_every_adapter_has_a_world() -> None:
    assert set(discover()) == set(worlds()), "give the adapter a World in tests/support/worlds.py"


async def test_first_pass_reports_everything(world: World, adapter: Adapter) -> None:
    for number in range(20):
        await world.add(f"service-{number}", *endpoint(number))
        await world.add(f"service-{number}", *endpoint(number + 100))

    async with reading(adapter) as source:
        assert source.first_pass == {
            f"service-{number}": frozenset({endpoint(number), endpoint(number + 100)}) for number in range(20)
        }


async def test_first_pass_over_nothing_succeeds(adapter: Adapter) -> None:
    async with reading(adapter) as source:
        assert source.first_pass == {}
        assert source.failing == ()


async def test_changes_are_followed(world: World, adapter: Adapter) -> None:
    first = await world.add("web", *endpoint(1))

    async with reading(adapter) as source:
        await world.add("web", *endpoint(2))
        await shows(source, services(web=[1, 2]))
        await world.add("api", *endpoint(3))
        await shows(source, services(web=[1, 2], api=[3]))
        await world.drop(first)
        await shows(source, services(web=[2], api=[3]))


async def test_outage_changes_nothing_and_is_reported(world: World, adapter: Adapter) -> None:
    await world.add("web", *endpoint(1))
    await world.add("api", *endpoint(2))

    async with reading(adapter) as source:
        await world.break_()
        await eventually(lambda: bool(source.failing), timeout=20)
        failures = source.observer.count("failed")
        await eventually(lambda: source.observer.count("failed") >= failures + 3, timeout=20)

        assert source.addresses() == services(web=[1], api=[2])
        assert source.observer.count("crashed") == 0
        assert all(source.failing), "each failure says something"


async def test_healed_source_is_followed_again(world: World, adapter: Adapter) -> None:
    first = await world.add("web", *endpoint(1))

    async with reading(adapter) as source:
        await world.break_()
        await eventually(lambda: bool(source.failing), timeout=20)
        await world.heal()
        await eventually(lambda: not source.failing, timeout=30)
        assert source.addresses() == services(web=[1])

        await world.add("web", *endpoint(2))
        await world.drop(first)
        await world.add("api", *endpoint(3))

        await shows(source, services(web=[2], api=[3]))
        assert source.observer.count("recovered") >= 1


async def test_source_that_is_down_at_the_start_is_read_when_it_comes(world: World, adapter: Adapter) -> None:
    await world.add("web", *endpoint(1))
    await world.break_()

    with Scheduler() as scheduler:
        async with running(adapter, scheduler.ticks) as source:
            await eventually(lambda: bool(source.failing), timeout=20)
            assert not source.synced
            assert source.addresses() == {}

            await world.heal()

            await shows(source, services(web=[1]))
            await eventually(lambda: source.synced, timeout=20)
    await asyncio.sleep(0)


async def test_empty_is_not_gone(world: World, adapter: Adapter) -> None:
    await world.add("web", *endpoint(1))
    await world.add("api", *endpoint(2))
    await world.add("db", *endpoint(3))

    async with reading(adapter) as source:
        await world.empty("web")
        await world.drop_service("api")

        await shows(source, services(web=[], db=[3]))


async def test_wrong_endpoint_is_set_aside_alone(world: World, adapter: Adapter) -> None:
    await world.add("web", *endpoint(1))
    await world.add("db", *endpoint(2))

    async with reading(adapter) as source:
        await world.add_wrong("web")
        await eventually(lambda: bool(source.set_aside("web")), timeout=20)

        assert source.addresses() == services(web=[1], db=[2])
        assert source.failing == ()
        (reason,) = source.set_aside("web")
        assert "db.internal" in reason


@pytest.mark.parametrize("broken", [False, True], ids=["synced", "failing"])
async def test_cancelled_adapter_returns_within_a_second(world: World, adapter: Adapter, broken: bool) -> None:
    await world.add("web", *endpoint(1))

    async with reading(adapter) as source:
        if broken:
            await world.break_()
            await eventually(lambda: bool(source.failing), timeout=20)

        source.task.cancel()
        _, pending = await asyncio.wait([source.task], timeout=1)

        assert not pending
        assert source.task.cancelled()
        assert source.addresses() == services(web=[1])


async def test_adapter_run_again_sees_what_changed_meanwhile(world: World, adapter: Adapter) -> None:
    first = await world.add("web", *endpoint(1))
    await world.add("api", *endpoint(2))
    await world.add("db", *endpoint(3))
    async with reading(adapter) as source:
        registry = source.registry

    await world.add("web", *endpoint(4))
    await world.drop(first)
    await world.drop_service("api")

    async with reading(adapter, registry) as source:
        await shows(source, services(web=[4], db=[3]))
