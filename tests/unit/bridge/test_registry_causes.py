"""Since when a change is known, and by whom: how long it takes is measured from there."""

from bridge.merge import union
from bridge.model import Endpoint, Entry, InstanceId, Scope, ServiceName, SourceName
from bridge.registry import Registry

DC1, ECS = SourceName("dc1"), SourceName("ecs")
SCOPE, WEB, API = Scope(""), ServiceName("web"), ServiceName("api")


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.registry = Registry([DC1, ECS], lambda _: union, lambda: 0.0, monotonic=lambda: self.now)

    def says(self, source: SourceName, service: ServiceName, *numbers: int, at: float) -> None:
        self.now = at
        entries: set[Entry] = {Endpoint(f"10.0.0.{n}", 80, instance=InstanceId(f"i{n}")) for n in numbers}
        self.registry.sink(source).update(SCOPE, service, frozenset(entries))


def test_a_change_is_known_since_the_first_report_of_each_source() -> None:
    world = World()
    world.says(DC1, WEB, 1, at=10)
    world.says(DC1, API, 2, at=11)
    world.says(ECS, WEB, 3, at=12)
    world.now = 99

    world.registry.drain()

    assert world.registry.causes() == {DC1: 10, ECS: 12}
    assert world.registry.causes() == {}


def test_what_was_reported_while_the_last_changes_were_taken_out_is_counted_from_its_report() -> None:
    world = World()
    world.says(DC1, WEB, 1, at=10)
    world.says(DC1, API, 1, at=11)
    world.registry.drain(1)
    world.says(DC1, WEB, 1, 2, at=12)

    world.registry.causes()
    world.registry.drain()

    assert world.registry.causes() == {DC1: 11}


def test_what_makes_no_difference_is_no_cause() -> None:
    world = World()
    world.says(DC1, WEB, 1, at=10)
    world.registry.drain()
    world.registry.causes()

    world.says(ECS, WEB, 1, at=20)  # of one address the first source wins
    world.says(DC1, WEB, 1, at=21)
    world.registry.drain()
    world.says(DC1, WEB, 2, at=30)
    world.registry.drain()

    assert DC1 in (causes := world.registry.causes())
    assert causes[DC1] == 30
