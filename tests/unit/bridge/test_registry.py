import asyncio

import pytest

from bridge.adapter import Sink
from bridge.merge import First, union
from bridge.model import (
    Endpoint,
    Entry,
    Health,
    InstanceId,
    Scope,
    ServiceName,
    SetAside,
    SourceName,
    UpstreamProtocol,
)
from bridge.registry import Registry, SourceStatistics, overlay

DC1, ECS = SourceName("dc1"), SourceName("ecs")
SCOPE, OTHER = Scope("one"), Scope("two")
WEB, API = ServiceName("web"), ServiceName("api")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(clock: Clock) -> Registry:
    return Registry([DC1, ECS], lambda _: union, clock)


@pytest.fixture
def sink(registry: Registry) -> Sink:
    return registry.sink(DC1)


def entries(*numbers: int, protocol: UpstreamProtocol | None = None) -> frozenset[Entry]:
    return frozenset(Endpoint(f"10.0.0.{n}", 80, instance=InstanceId(f"i{n}"), protocol=protocol) for n in numbers)


def addresses(registry: Registry, service: ServiceName = WEB) -> list[str]:
    registry.drain()
    return [served.endpoint.address for served in registry.services()[service].endpoints]


def test_a_complete_read_replaces_what_its_scope_said(registry: Registry, sink: Sink) -> None:
    sink.replace(SCOPE, {WEB: entries(1, 2), API: entries(3)})

    sink.replace(SCOPE, {WEB: entries(2)})

    assert addresses(registry) == ["10.0.0.2"]
    assert API not in registry.services()


def test_a_read_says_nothing_about_other_scopes_and_sources(registry: Registry, sink: Sink) -> None:
    sink.replace(OTHER, {WEB: entries(1)})
    registry.sink(ECS).replace(SCOPE, {WEB: entries(2)})

    sink.replace(SCOPE, {})

    assert addresses(registry) == ["10.0.0.1", "10.0.0.2"]


def test_a_partial_read_adds_and_changes_and_never_removes(registry: Registry, sink: Sink) -> None:
    sink.replace(SCOPE, {WEB: entries(1, 2), API: entries(3)})
    draining = Endpoint("10.0.0.2", 80, Health.DRAINING, instance=InstanceId("i2"))

    sink.replace(SCOPE, {WEB: frozenset({draining, *entries(4)})}, complete=False)

    assert addresses(registry) == ["10.0.0.1", "10.0.0.2", "10.0.0.4"]
    assert registry.services()[WEB].endpoints[1].endpoint.health is Health.DRAINING
    assert addresses(registry, API) == ["10.0.0.3"]


def test_a_partial_read_removes_what_the_source_itself_reported_as_ended(registry: Registry, sink: Sink) -> None:
    sink.replace(SCOPE, {WEB: entries(1, 2), API: entries(2, 3)})

    sink.replace(SCOPE, {}, complete=False, removed=frozenset({InstanceId("i2")}))

    assert addresses(registry) == ["10.0.0.1"]
    assert addresses(registry, API) == ["10.0.0.3"]


def test_empty_is_not_gone(registry: Registry, sink: Sink) -> None:
    sink.replace(SCOPE, {WEB: entries(1), API: entries(2)})
    registry.drain()

    sink.update(SCOPE, WEB, frozenset())
    sink.remove(SCOPE, API)
    diff = registry.drain()

    assert diff.changed[WEB].endpoints == ()
    assert diff.removed == {API}


def test_a_service_is_gone_only_when_no_source_names_it_any_more(registry: Registry, sink: Sink) -> None:
    sink.update(SCOPE, WEB, entries(1))
    registry.sink(ECS).update(SCOPE, WEB, entries(2))

    sink.remove(SCOPE, WEB)

    assert addresses(registry) == ["10.0.0.2"]


def test_removing_what_was_never_there_changes_nothing(registry: Registry, sink: Sink) -> None:
    sink.remove(SCOPE, WEB)

    assert not registry.drain()


def test_equal_reports_wake_nobody(registry: Registry, sink: Sink) -> None:
    sink.update(SCOPE, WEB, entries(1, 2))
    registry.drain()

    sink.update(SCOPE, WEB, entries(2, 1))

    assert registry.dirty == 0


def test_a_change_that_was_taken_back_before_it_was_drained_is_no_difference(registry: Registry, sink: Sink) -> None:
    sink.update(SCOPE, WEB, entries(1))
    registry.drain()

    sink.update(SCOPE, WEB, entries(2))
    sink.update(SCOPE, WEB, entries(1))

    assert not registry.drain().removed
    assert registry.dirty == 0


async def test_changes_wake_the_one_who_waits_and_bursts_wake_once(registry: Registry, sink: Sink) -> None:
    sink.update(SCOPE, WEB, entries(1))
    sink.update(SCOPE, WEB, entries(2))

    await registry.changed()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await registry.changed()


def test_draining_takes_the_oldest_services_first_and_leaves_the_rest(registry: Registry, sink: Sink) -> None:
    for name in ("c", "a", "b"):
        sink.update(SCOPE, ServiceName(name), entries(1))

    first, rest = registry.drain(2), registry.drain(2)

    assert list(first.added) == ["c", "a"]
    assert list(rest.added) == ["b"]


def test_set_aside_entries_take_nobody_with_them_and_say_why(registry: Registry, sink: Sink) -> None:
    bad = SetAside(InstanceId("i9"), "db.internal:80", "address 'db.internal' is not an IP address")

    sink.update(SCOPE, WEB, entries(1) | {bad})

    assert addresses(registry) == ["10.0.0.1"]
    assert [(each.source, each.scope, each.entry) for each in registry.set_aside(WEB)] == [(DC1, SCOPE, bad)]
    assert registry.statistics(DC1) == SourceStatistics(1, {Health.HEALTHY: 1}, 1)


def test_provenance_says_who_reported_an_endpoint_and_since_when(registry: Registry, sink: Sink, clock: Clock) -> None:
    sink.update(SCOPE, WEB, entries(1))
    clock.now = 2000.0
    sink.update(SCOPE, WEB, entries(1, 2))
    registry.sink(ECS).update(OTHER, WEB, entries(1))
    registry.drain()

    first, second = registry.services()[WEB].endpoints

    assert [(o.source, o.scope, o.instance, o.since) for o in first.origins] == [
        (DC1, SCOPE, "i1", 1000.0),
        (ECS, OTHER, "i1", 2000.0),
    ]
    assert [origin.since for origin in second.origins] == [2000.0]


def test_an_endpoint_keeps_its_age_through_changes_of_its_health(registry: Registry, sink: Sink, clock: Clock) -> None:
    sink.update(SCOPE, WEB, entries(1))
    clock.now = 2000.0

    sink.update(SCOPE, WEB, frozenset({Endpoint("10.0.0.1", 80, Health.UNHEALTHY, instance=InstanceId("i1"))}))
    registry.drain()

    assert registry.services()[WEB].endpoints[0].origins[0].since == 1000.0


@pytest.mark.parametrize("name", ["", "line\nbreak", "x" * 256, "\ud800"])
def test_a_service_that_cannot_name_a_cluster_is_refused_alone_and_named_once(
    registry: Registry, sink: Sink, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        sink.replace(SCOPE, {WEB: entries(1), ServiceName(name): entries(2)})

    assert addresses(registry) == ["10.0.0.1"]
    assert list(registry.services()) == [WEB]
    assert [record.getMessage() for record in caplog.records] == ["service.refused"]
    assert [(each.scope, each.name) for each in registry.refused(DC1)] == [(SCOPE, name)]


def test_a_refused_name_is_forgotten_when_its_source_stops_using_it(registry: Registry, sink: Sink) -> None:
    sink.replace(SCOPE, {ServiceName("a\nb"): entries(1)})

    sink.replace(SCOPE, {WEB: entries(1)})

    assert registry.refused(DC1) == ()


async def test_draining_everything_leaves_nobody_to_wake(registry: Registry, sink: Sink) -> None:
    sink.update(SCOPE, WEB, entries(1))
    registry.drain()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await registry.changed()


class TestProtocol:
    def test_the_tagged_endpoints_agree_and_the_untagged_do_not_vote(self, registry: Registry, sink: Sink) -> None:
        sink.update(SCOPE, WEB, entries(1, 2, protocol=UpstreamProtocol.GRPC) | entries(3))
        registry.drain()

        assert registry.services()[WEB].protocol is UpstreamProtocol.GRPC

    def test_the_last_agreement_stays_while_they_disagree_and_the_dispute_is_told(
        self, registry: Registry, sink: Sink
    ) -> None:
        sink.update(SCOPE, WEB, entries(1, protocol=UpstreamProtocol.HTTP1))
        registry.drain()

        sink.update(
            SCOPE, WEB, entries(1, protocol=UpstreamProtocol.HTTP1) | entries(2, protocol=UpstreamProtocol.HTTP2)
        )
        registry.drain()

        service = registry.services()[WEB]
        assert service.protocol is UpstreamProtocol.HTTP1
        assert service.disputed == {UpstreamProtocol.HTTP1, UpstreamProtocol.HTTP2}

    def test_the_last_agreement_stays_while_nobody_says_anything(self, registry: Registry, sink: Sink) -> None:
        sink.update(SCOPE, WEB, entries(1, protocol=UpstreamProtocol.GRPC))
        registry.drain()

        sink.update(SCOPE, WEB, frozenset())
        registry.drain()

        assert registry.services()[WEB].protocol is UpstreamProtocol.GRPC


class TestOverlay:
    def test_what_was_read_of_an_instance_clears_its_old_reason(self) -> None:
        bad = SetAside(InstanceId("i1"), "10.0.0.1:0", "port 0 is not between 1 and 65535")

        assert overlay(frozenset({bad}), entries(1), frozenset()) == entries(1)

    def test_a_bad_report_of_an_instance_does_not_take_its_endpoint(self) -> None:
        bad = SetAside(InstanceId("i1"), "10.0.0.1:0", "port 0 is not between 1 and 65535")

        assert overlay(entries(1), frozenset({bad}), frozenset()) == entries(1) | {bad}


class TestTime:
    """A policy that waits is asked again when its time has come, although nobody reports anything."""

    @pytest.fixture
    def registry(self, clock: Clock) -> Registry:
        registry = Registry([DC1, ECS], lambda _: First(30.0), clock, monotonic=clock)
        self.report(registry, Health.UNHEALTHY)
        registry.sink(ECS).update(SCOPE, WEB, entries(2))
        registry.drain()
        self.report(registry, Health.HEALTHY)
        registry.drain()
        return registry

    def report(self, registry: Registry, health: Health) -> None:
        registry.sink(DC1).update(SCOPE, WEB, frozenset({Endpoint("10.0.0.1", 80, health)}))

    async def wakes(self, registry: Registry) -> bool:
        """Whether somebody who waits now is woken without a report."""
        waiting = asyncio.ensure_future(registry.changed())
        for _ in range(10):
            await asyncio.sleep(0)
        woken = waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
        return woken

    async def test_the_one_who_waits_is_woken_when_the_time_has_come(self, registry: Registry, clock: Clock) -> None:
        assert addresses(registry) == ["10.0.0.2"]
        clock.now += 30.0

        assert await self.wakes(registry)
        assert list(registry.drain().changed) == [WEB]
        assert addresses(registry) == ["10.0.0.1"]

    async def test_nobody_is_woken_before(self, registry: Registry, clock: Clock) -> None:
        clock.now += 29.99

        assert not await self.wakes(registry)
        assert registry.dirty == 0

    async def test_nobody_is_woken_when_there_is_nothing_to_wait_for_any_more(
        self, registry: Registry, clock: Clock
    ) -> None:
        self.report(registry, Health.UNHEALTHY)
        registry.drain()
        clock.now += 30.0

        assert not await self.wakes(registry)

    async def test_a_service_that_is_gone_wakes_nobody(self, registry: Registry, clock: Clock) -> None:
        registry.sink(DC1).remove(SCOPE, WEB)
        registry.sink(ECS).remove(SCOPE, WEB)
        registry.drain()
        clock.now += 30.0

        assert not await self.wakes(registry)

    async def test_nobody_is_woken_by_time_while_the_registry_is_frozen(self, registry: Registry, clock: Clock) -> None:
        registry.freeze(frozen=True)
        registry.drain()
        clock.now += 30.0
        assert not await self.wakes(registry)

        registry.freeze(frozen=False)
        assert await self.wakes(registry)
        assert await self.wakes(registry)
        registry.drain()
        assert addresses(registry) == ["10.0.0.1"]

    async def test_a_report_wakes_while_a_time_is_waited_for(self, registry: Registry) -> None:
        waiting = asyncio.ensure_future(registry.changed())
        await asyncio.sleep(0)

        registry.sink(ECS).update(SCOPE, API, entries(3))
        async with asyncio.timeout(5):
            await waiting

        assert list(registry.drain().added) == [API]


def test_what_is_reported_and_not_served_is_found_as_it_was_when_it_was_asked_for(clock: Clock) -> None:
    registry = Registry([DC1, ECS], lambda _: First(30.0), clock, monotonic=clock)
    registry.sink(DC1).replace(SCOPE, {WEB: entries(1, 2)})
    registry.sink(ECS).replace(SCOPE, {WEB: entries(2, 3)})
    registry.drain()

    find = registry.unserved(WEB)
    registry.sink(ECS).replace(SCOPE, {WEB: entries(3, 4)})

    assert [(each.endpoint.address, each.origin.source) for each in find()] == [("10.0.0.3", ECS)]


def test_nothing_is_reported_of_a_service_that_nobody_names(registry: Registry) -> None:
    assert registry.unserved(WEB)() == []
