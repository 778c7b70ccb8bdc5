import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.diff import Diff
from bridge.history import History
from bridge.merge import First, Service, union
from bridge.model import Endpoint, EndpointKey, Entry, Health, InstanceId, Scope, ServiceName, SourceName
from bridge.reconciler import CHUNK, Debounce, Publication, Reconciler
from bridge.registry import Registry
from support.waiting import eventually
from xds import CLUSTER, Resource, Snapshot, SnapshotCache

SOURCE, SCOPE, WEB = SourceName("dc1"), Scope("one"), ServiceName("web")
IMMEDIATE = Debounce(quiet=0.0, limit=0.0)


class Views:
    """One view for all, in which a service is the text of its addresses."""

    def __init__(self) -> None:
        self.cache = SnapshotCache()
        self.staged = Snapshot()
        self.batches: list[int] = []
        self.staging = False
        self.hold = asyncio.Event()
        self.hold.set()

    async def stage(self, diff: Diff[ServiceName, Service]) -> None:
        self.batches.append(len(diff.added) + len(diff.changed) + len(diff.removed))
        self.staging = True
        await asyncio.sleep(0)
        await self.hold.wait()
        self.staging = False
        changed = [
            Resource(service.name, body, body.decode())
            for service in (*diff.added.values(), *diff.changed.values())
            for body in [",".join(str(served.endpoint.key) for served in service.endpoints).encode()]
        ]
        self.staged = self.staged.replace(CLUSTER.url, changed, diff.removed)

    def publish(self) -> int | None:
        made = self.cache.set(self.staged)
        return self.cache.generation.number if made and self.cache.generation else None


class Gate:
    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def wait(self) -> None:
        await self.open.wait()


class Observed(list[Publication]):
    def published(self, publication: Publication) -> None:
        self.append(publication)


class Bench:
    """A running reconciler between a real registry and a real cache."""

    def __init__(self, debounce: Debounce) -> None:
        self.registry = Registry([SOURCE], lambda _: union, lambda: 0.0)
        self.views, self.gate, self.observed = Views(), Gate(), Observed()
        self.cache = self.views.cache
        self.now = 0.0
        self.reconciler = Reconciler(self.registry, self.views, debounce, self.observed, History(lambda: self.now))
        self.sink = self.registry.sink(SOURCE)

    def served(self) -> dict[str, str]:
        snapshot = self.cache.snapshot
        return {name: each.version for name, each in snapshot.resources(CLUSTER.url).items()} if snapshot else {}


@pytest.fixture
def debounce() -> Debounce:
    return IMMEDIATE


@pytest.fixture
async def bench(debounce: Debounce) -> AsyncIterator[Bench]:
    bench = Bench(debounce)
    task = asyncio.create_task(bench.reconciler.run(bench.gate))
    yield bench
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def entries(*numbers: int) -> frozenset[Entry]:
    return frozenset(Endpoint(f"10.0.0.{n}", 80, instance=InstanceId(f"i{n}")) for n in numbers)


async def test_nothing_is_served_before_the_first_answer_is_allowed(bench: Bench) -> None:
    bench.sink.update(SCOPE, WEB, entries(1))
    await asyncio.sleep(0)
    assert bench.cache.snapshot is None

    bench.gate.open.set()

    await eventually(lambda: bench.served() == {"web": "10.0.0.1:80"})


async def test_a_bridge_that_may_be_empty_serves_an_empty_snapshot(bench: Bench) -> None:
    bench.gate.open.set()

    await eventually(lambda: bench.cache.snapshot is not None)

    assert bench.served() == {}
    assert [publication.generation for publication in bench.observed] == [1]


async def test_changes_reach_the_cache_and_are_counted(bench: Bench) -> None:
    bench.gate.open.set()
    bench.sink.update(SCOPE, WEB, entries(1, 2))
    await eventually(lambda: bool(bench.served()))

    bench.sink.update(SCOPE, WEB, entries(2, 3))
    await eventually(lambda: bench.served() == {"web": "10.0.0.2:80,10.0.0.3:80"})
    bench.sink.remove(SCOPE, WEB)
    await eventually(lambda: bench.served() == {})

    counted = [(p.endpoints_added, p.endpoints_changed, p.endpoints_removed) for p in bench.observed]
    assert counted == [(2, 0, 0), (1, 0, 1), (0, 0, 2)]
    assert [publication.generation for publication in bench.observed] == [1, 2, 3]


async def test_what_is_published_has_an_age(bench: Bench) -> None:
    bench.gate.open.set()
    bench.now = 5.0
    bench.sink.update(SCOPE, WEB, entries(1))
    await eventually(lambda: bench.served() == {"web": "10.0.0.1:80"})

    bench.now = 9.0
    bench.sink.update(SCOPE, WEB, entries(1, 2))
    await eventually(lambda: bench.served() == {"web": "10.0.0.1:80,10.0.0.2:80"})

    ages = bench.reconciler.history.of(WEB)
    assert ages[EndpointKey("10.0.0.1", 80)].since < ages[EndpointKey("10.0.0.2", 80)].since == 9.0


async def test_only_the_services_that_changed_are_built_again(bench: Bench) -> None:
    for number in range(50):
        bench.sink.update(SCOPE, ServiceName(f"s{number}"), entries(1))
    bench.gate.open.set()
    await eventually(lambda: len(bench.served()) == 50)
    bench.views.batches.clear()

    bench.sink.update(SCOPE, ServiceName("s7"), entries(2))
    await eventually(lambda: bench.served()["s7"] == "10.0.0.2:80")

    assert bench.views.batches == [1]


async def test_a_large_first_snapshot_is_built_in_parts_and_served_at_once(bench: Bench) -> None:
    for number in range(1000):
        bench.sink.update(SCOPE, ServiceName(f"s{number}"), entries(1))

    bench.gate.open.set()
    await eventually(lambda: bench.cache.snapshot is not None)

    assert len(bench.served()) == 1000
    assert bench.views.batches == [200] * 5


@pytest.mark.parametrize("debounce", [Debounce(quiet=0.1, limit=3600.0)])
async def test_the_first_change_after_a_quiet_time_does_not_wait(bench: Bench) -> None:
    bench.gate.open.set()
    await eventually(lambda: bench.cache.snapshot is not None)
    quiet_is_over = asyncio.get_running_loop().time() + 0.1
    await eventually(lambda: asyncio.get_running_loop().time() > quiet_is_over)

    bench.sink.update(SCOPE, WEB, entries(1))
    await eventually(lambda: bool(bench.served()))

    # Waiting for quiet would have taken at least that long; a slow machine lengthens the wait, not what is measured.
    assert bench.observed[0].waited < 0.1


async def test_a_change_of_provenance_alone_is_no_publication(bench: Bench) -> None:
    bench.sink.update(SCOPE, WEB, entries(1))
    bench.gate.open.set()
    await eventually(lambda: bool(bench.served()))

    renamed = Endpoint("10.0.0.1", 80, instance=InstanceId("another"))
    bench.sink.update(SCOPE, WEB, frozenset({renamed}))
    await eventually(lambda: bench.registry.dirty == 0)
    bench.sink.update(SCOPE, WEB, entries(2))
    await eventually(lambda: bench.served() == {"web": "10.0.0.2:80"})

    assert [publication.generation for publication in bench.observed] == [1, 2]


@pytest.mark.parametrize("debounce", [Debounce(quiet=1.0, limit=60.0)])
async def test_a_burst_is_published_once_when_it_is_over(bench: Bench) -> None:
    bench.gate.open.set()
    await eventually(lambda: bench.cache.snapshot is not None)

    for number in range(1, 20):
        bench.sink.update(SCOPE, WEB, entries(number))
        await asyncio.sleep(0)
    await eventually(lambda: bench.served() == {"web": "10.0.0.19:80"})

    assert [publication.generation for publication in bench.observed] == [1, 2]


@pytest.mark.parametrize("debounce", [Debounce(quiet=60.0, limit=0.05)])
async def test_changes_that_do_not_end_are_published_at_the_limit(bench: Bench) -> None:
    bench.gate.open.set()
    await eventually(lambda: bench.cache.snapshot is not None)

    bench.sink.update(SCOPE, WEB, entries(1))

    await eventually(lambda: bench.served() == {"web": "10.0.0.1:80"})


async def test_nothing_is_half_published_once_it_is_idle(bench: Bench) -> None:
    await bench.reconciler.idle()
    bench.gate.open.set()
    bench.sink.update(SCOPE, WEB, entries(1))
    bench.views.hold.clear()
    await eventually(lambda: bench.views.staging)

    idle = asyncio.create_task(bench.reconciler.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    bench.views.hold.set()
    await idle

    assert bench.served() == {"web": "10.0.0.1:80"}


async def test_a_change_that_comes_while_another_is_published_is_known_since_it_was_reported(bench: Bench) -> None:
    bench.gate.open.set()
    bench.sink.update(SCOPE, WEB, entries(1))
    bench.views.hold.clear()
    await eventually(lambda: bench.views.staging)

    bench.sink.update(SCOPE, WEB, entries(2))
    enough = asyncio.get_running_loop().time() + 0.1
    await eventually(lambda: asyncio.get_running_loop().time() > enough)
    bench.views.hold.set()
    await eventually(lambda: bench.served() == {"web": "10.0.0.2:80"})

    assert bench.observed[-1].causes[SOURCE] > 0.1


@pytest.mark.parametrize(
    ("last", "added", "removed"),
    [(entries(3), 1, 1), (entries(1), 0, 0), (entries(1, 2), 1, 0)],
    ids=["another", "as before", "one more"],
)
async def test_a_service_that_changes_twice_in_one_publication_is_counted_once(
    bench: Bench, last: frozenset[Entry], added: int, removed: int
) -> None:
    bench.gate.open.set()
    bench.sink.update(SCOPE, WEB, entries(1))
    await eventually(lambda: len(bench.observed) == 1)

    bench.views.hold.clear()
    bench.sink.update(SCOPE, WEB, entries(2))
    for number in range(CHUNK):
        bench.sink.update(SCOPE, ServiceName(f"s{number}"), entries(1))
    await eventually(lambda: bench.views.staging)
    bench.sink.update(SCOPE, WEB, last)
    bench.views.hold.set()
    await eventually(lambda: len(bench.observed) == 2)

    assert bench.views.batches[1:] == [CHUNK, 2], "it was in both parts"
    publication = bench.observed[1]
    assert publication.endpoints_added == CHUNK + added
    assert publication.endpoints_removed == removed


async def test_what_was_read_before_envoys_are_answered_did_not_wait_for_the_bridge(bench: Bench) -> None:
    bench.sink.update(SCOPE, WEB, entries(1))
    await asyncio.sleep(0)

    bench.gate.open.set()
    await eventually(lambda: bool(bench.served()))

    (first,) = bench.observed
    assert first.causes == {SOURCE: first.waited}


@pytest.mark.parametrize("debounce", [Debounce(quiet=60.0, limit=3600.0)])
async def test_another_debounce_counts_from_the_next_change_on(bench: Bench) -> None:
    bench.gate.open.set()
    await eventually(lambda: bench.cache.snapshot is not None)

    bench.reconciler.configure(IMMEDIATE)
    bench.sink.update(SCOPE, WEB, entries(1))

    await eventually(lambda: bench.served() == {"web": "10.0.0.1:80"})


class TestSources:
    """Of two sources one is served, and which one is told."""

    LATER = SourceName("ecs")

    @pytest.fixture
    def bench(self, caplog: pytest.LogCaptureFixture) -> Bench:
        caplog.set_level("INFO")
        bench = Bench(IMMEDIATE)
        bench.registry = Registry([SOURCE, self.LATER], lambda _: First(return_after=0.05), lambda: 0.0)
        bench.reconciler = Reconciler(bench.registry, bench.views, IMMEDIATE, bench.observed, History(lambda: 0.0))
        bench.sink = bench.registry.sink(SOURCE)
        bench.registry.sink(self.LATER).update(SCOPE, WEB, entries(2))
        return bench

    @pytest.fixture(autouse=True)
    async def run(self, bench: Bench) -> AsyncIterator[None]:
        task = asyncio.create_task(bench.reconciler.run(bench.gate))
        yield
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    def told(self, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
        records = [each.__dict__ for each in caplog.records if each.getMessage() == "service.sources_changed"]
        return [(record["service"], record["chosen"]) for record in records]

    async def test_a_policy_that_waits_is_published_when_its_time_has_come(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.gate.open.set()
        await eventually(lambda: bench.served() == {"web": "10.0.0.2:80"})

        bench.sink.update(SCOPE, WEB, entries(1))
        await eventually(lambda: bench.served() == {"web": "10.0.0.1:80"})

        assert self.told(caplog) == [("web", SOURCE)]

    async def test_a_new_service_that_is_not_served_as_it_should_be_is_told(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        ill = Endpoint("10.0.0.1", 80, Health.UNHEALTHY)
        bench.sink.replace(SCOPE, {WEB: frozenset({ill}), ServiceName("fine"): entries(3)})

        bench.gate.open.set()
        await eventually(lambda: len(bench.served()) == 2)

        assert self.told(caplog) == [("web", self.LATER)]
