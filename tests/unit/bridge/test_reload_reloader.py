import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from bridge.config import Config
from bridge.errors import ConfigError
from bridge.reload import Loss, Plan, Reloader
from bridge.reload.transition import Built
from support.waiting import eventually


@dataclass
class FakeTransition:
    """Performs what it is told to, and waits for the test where that wants it."""

    fault: str = ""
    bug: Exception | None = None
    losses: list[Loss] = field(default_factory=list)
    performed: list[Config] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    looked: int = 0
    hastened: int = 0
    by: str = ""

    async def build(self, config: Config) -> Built:
        if self.bug:
            raise self.bug
        if self.fault:
            raise ConfigError(self.fault)
        return Built(config, Plan(), None, {})

    async def weigh(self, built: Built) -> Callable[[], list[Loss]]:
        return lambda: self.losses

    async def perform(self, built: Built, by: str) -> str:
        self.performed.append(built.config)
        self.by = by
        await self.goes_on.wait()
        return "views"

    def hasten(self) -> None:
        self.hastened += 1

    async def depart(self) -> None:
        self.looked += 1


@dataclass
class Counts:
    begun: int = 0
    successes: int = 0
    failures: int = 0

    def began(self) -> None:
        self.begun += 1

    def succeeded(self) -> None:
        self.successes += 1

    def failed(self) -> None:
        self.failures += 1


class Bench:
    """A reloader that runs, of a file that a test writes."""

    def __init__(self) -> None:
        self.transition, self.counts = FakeTransition(), Counts()
        self.transition.goes_on.set()
        self.reads = 0
        self.wrong = ""
        self.reloader = Reloader(self.read, self.transition, [self.counts])

    def read(self) -> Config:
        self.reads += 1
        if self.wrong:
            raise ConfigError(self.wrong)
        return Config(sources=())


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    task = asyncio.create_task(bench.reloader.run())
    yield bench
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_start_is_no_reload(bench: Bench) -> None:
    assert bench.reloader.report.last_reload is None
    assert (bench.counts.begun, bench.counts.successes, bench.counts.failures) == (0, 0, 0)


async def test_what_is_read_comes_into_use(bench: Bench) -> None:
    loaded = bench.reloader.report.loaded

    outcome = await bench.reloader.ask("anna")

    assert (outcome.ok, outcome.by, outcome.done) == (True, "anna", "views")
    assert bench.transition.performed == [Config(sources=())]
    assert bench.transition.by == "anna"
    assert bench.reloader.report.last_reload == outcome
    assert bench.reloader.report.loaded == outcome.at >= loaded
    assert (bench.counts.begun, bench.counts.successes) == (1, 1)


async def test_an_invalid_file_is_not_used_and_its_fault_is_told_whole(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    loaded, bench.wrong = bench.reloader.report.loaded, "bridge.yaml:1:1: one\nbridge.yaml:2:1: two"

    outcome = await bench.reloader.ask("anna", accept_loss=True)

    assert (outcome.ok, outcome.error) == (False, bench.wrong)
    assert bench.transition.performed == []
    assert bench.reloader.report.last_reload == outcome
    assert bench.reloader.report.loaded == loaded
    assert (bench.counts.begun, bench.counts.successes, bench.counts.failures) == (1, 0, 1)
    (record,) = [each for each in caplog.records if each.getMessage() == "config.reload_failed"]
    assert (vars(record)["error"], vars(record)["by"]) == (bench.wrong, "anna")


async def test_what_cannot_be_built_is_not_used(bench: Bench) -> None:
    bench.transition.fault = "xds.listen: only a restart can change this"

    outcome = await bench.reloader.ask("anna")

    assert outcome.error == bench.transition.fault
    assert bench.transition.performed == []


async def test_a_loss_is_refused_with_the_list_unless_it_is_accepted(bench: Bench) -> None:
    bench.transition.losses = [Loss("the view default", 1, 1, 0, 0, ("web",))]

    refused = await bench.reloader.ask("anna")
    assert "--accept-loss" in refused.error
    assert refused.losses == ("the view default would lose 1 of 1 clusters and 0 of 0 endpoints:", "  web")
    assert bench.transition.performed == []

    accepted = await bench.reloader.ask("anna", accept_loss=True)
    assert accepted.ok
    assert len(bench.transition.performed) == 1


async def test_only_an_accepted_loss_ends_the_waiting_for_those_on_the_way_out(bench: Bench) -> None:
    await bench.reloader.ask("anna")
    assert bench.transition.hastened == 0

    await bench.reloader.ask("anna", accept_loss=True)
    assert bench.transition.hastened == 1

    bench.transition.fault = "xds.listen: only a restart can change this"
    await bench.reloader.ask("anna", accept_loss=True)
    assert bench.transition.hastened == 1


async def test_any_number_of_requests_during_a_reload_are_one_more(bench: Bench) -> None:
    bench.transition.goes_on.clear()
    first = bench.reloader.ask("anna")
    await eventually(lambda: len(bench.transition.performed) == 1)

    others = [bench.reloader.ask(by) for by in ("anna", "SIGHUP", "anna")]
    bench.transition.goes_on.set()
    await asyncio.gather(first, *others)

    assert bench.reads == len(bench.transition.performed) == 2
    assert all(other is others[0] for other in others)
    assert bench.transition.by == "anna and SIGHUP"


async def test_a_bug_before_anything_was_changed_is_told_and_the_next_reload_goes_well(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.transition.bug = RuntimeError("of a stranger's adapter")

    outcome = await bench.reloader.ask("anna", accept_loss=True)

    assert 'RuntimeError("of a stranger\'s adapter")' in outcome.error
    assert (bench.transition.performed, bench.counts.failures) == ([], 1)
    assert [each.exc_info is not None for each in caplog.records if each.msg == "config.reload_failed"] == [True]
    bench.transition.bug = None
    assert (await bench.reloader.ask("anna")).ok


async def test_who_goes_away_takes_the_reload_from_nobody(bench: Bench) -> None:
    bench.transition.goes_on.clear()
    one, other = (asyncio.create_task(_wait(bench)) for _ in range(2))
    await eventually(lambda: len(bench.transition.performed) == 1)

    one.cancel()
    bench.transition.goes_on.set()

    assert await other == "views"


async def _wait(bench: Bench) -> str:
    return (await asyncio.shield(bench.reloader.ask("anna"))).done


async def test_it_looks_by_itself_whether_a_source_may_go(bench: Bench) -> None:
    await eventually(lambda: bench.transition.looked >= 2)

    assert bench.reads == 0
