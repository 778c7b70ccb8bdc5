"""A registry that is guarded, whose clocks the test moves."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bridge.clock import Moment
from bridge.guard import GuardRules, Reason
from bridge.merge import MergePolicy, Standing, union
from bridge.model import Endpoint, EndpointKey, Entry, InstanceId, Scope, ServiceName, SourceName
from bridge.registry import Kept, Options, Registry, RestoredPart

DC1, ECS = SourceName("dc1"), SourceName("ecs")
SCOPE, OTHER = Scope("one"), Scope("two")
WEB, API = ServiceName("web"), ServiceName("api")
MINUTES = 60.0


def entries(numbers: Iterable[int], instance: str = "i") -> frozenset[Entry]:
    return frozenset(endpoint(number, instance) for number in numbers)


def endpoint(number: int, instance: str = "i") -> Endpoint:
    return Endpoint(f"10.0.{number // 250}.{number % 250 + 1}", 80, instance=InstanceId(f"{instance}{number}"))


def instances(numbers: Iterable[int]) -> frozenset[InstanceId]:
    return frozenset(InstanceId(f"i{number}") for number in numbers)


GUARDED = Options(guard=GuardRules())
LONG_AGO = Moment(1.0, 1.0)


@dataclass
class World:
    """A registry of two sources whose clocks the test moves."""

    options: Options = GUARDED
    time: float = 1_000_000.0
    step: float = 0.0
    """Seconds by which somebody has set the clock for people."""
    registry: Registry = field(init=False)
    agree: bool = True
    policy: MergePolicy = union

    def __post_init__(self) -> None:
        wall = lambda: self.time + self.step  # noqa: E731
        self.registry = Registry([DC1, ECS], lambda _: self.policy, wall, self.options, lambda: self.time)

    def read(
        self,
        services: dict[ServiceName, Iterable[int]],
        *,
        scope: Scope = SCOPE,
        source: SourceName = DC1,
        ended: Iterable[int] = (),
        complete: bool = True,
    ) -> None:
        """One read of a scope, served."""
        read = {name: entries(numbers) for name, numbers in services.items()}
        self.registry.sink(source).replace(scope, read, complete=complete, removed=instances(ended))
        self.registry.drain()

    def later(self, seconds: float) -> None:
        """Time goes by, and what is due is done."""
        self.time += seconds
        self.registry.expire(lambda _: self.agree)
        self.registry.drain()

    def restart(self, services: dict[ServiceName, Iterable[int]]) -> None:
        """Begin with what an earlier process knew."""
        self.registry.restore(
            [
                RestoredPart(DC1, SCOPE, name, tuple(Kept(endpoint(number), LONG_AGO) for number in numbers))
                for name, numbers in services.items()
            ],
            agreed={},
            gone={},
        )
        self.registry.drain()

    def served(self, service: ServiceName = WEB) -> set[EndpointKey]:
        found = self.registry.services().get(service)
        return {each.endpoint.key for each in found.endpoints} if found else set()

    def standings(self, service: ServiceName = WEB) -> set[Standing]:
        return {origin.standing for each in self.registry.services()[service].endpoints for origin in each.origins}

    def reasons(self, source: SourceName = DC1) -> list[tuple[Reason, int]]:
        return [(hold.reason, hold.endpoints) for hold in self.registry.holds(source)]


def keys(numbers: Iterable[int]) -> set[EndpointKey]:
    return {endpoint(number).key for number in numbers}
