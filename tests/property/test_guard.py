"""Whatever a guarded source says, and in whichever steps, its endpoints do not go faster than they may."""

from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.guard import WINDOW, GuardRules, Reason
from bridge.merge import union
from bridge.model import Endpoint, EndpointKey, InstanceId, Scope, ServiceName, SourceName
from bridge.registry import Options, Registry

SOURCE = SourceName("dc1")
SERVICES = [ServiceName(name) for name in ("web", "api", "db")]
RULES = GuardRules(max_loss=0.5, min_endpoints=10, release_after=600)

services = st.sampled_from(SERVICES)
numbers = st.frozensets(st.integers(0, 15), max_size=16)


def endpoint(service: ServiceName, number: int) -> Endpoint:
    """No two services have an address in common, so that none can move."""
    address = f"10.0.{SERVICES.index(service)}.{number + 1}"
    return Endpoint(address, 80, instance=InstanceId(f"{service}{number}"))


class GuardedRegistry(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.now = 0.0
        options = Options(guard=RULES)
        self.registry = Registry([SOURCE], lambda _: union, lambda: self.now, options, lambda: self.now)
        self.said: dict[ServiceName, frozenset[int]] = {}
        self.history: list[tuple[float, int]] = [(0.0, 0)]
        self.allowed_to_go: set[EndpointKey] = set()

    @rule(read=st.dictionaries(services, numbers, min_size=1))
    def complete_reads_of_services(self, read: Mapping[ServiceName, frozenset[int]]) -> None:
        for service, found in read.items():
            entries = frozenset(endpoint(service, number) for number in found)
            self.registry.sink(SOURCE).update(Scope(service), service, entries)
        self.said |= read
        self._drain()

    @rule(service=services)
    def a_service_vanishes(self, service: ServiceName) -> None:
        self.registry.sink(SOURCE).remove(Scope(service), service)
        self.said.pop(service, None)
        self._drain()

    @rule(service=services, ended=st.frozensets(st.integers(0, 15), max_size=3))
    def instances_end(self, service: ServiceName, ended: frozenset[int]) -> None:
        gone = frozenset(InstanceId(f"{service}{number}") for number in ended)
        self.registry.sink(SOURCE).replace(Scope(service), {}, complete=False, removed=gone)
        self.said = {name: found - (ended if name == service else frozenset()) for name, found in self.said.items()}
        before = self._served()
        self.registry.drain()
        went = len(before) - len(self._served())
        self.history = [(at, max(0, count - went)) for at, count in self.history]
        self.history.append((self.now, self._alive()))

    @rule(seconds=st.sampled_from([1.0, 60.0, 599.0]))
    def time_goes_by_while_the_source_fails(self, seconds: float) -> None:
        self.now += seconds
        self.registry.expire(lambda _: False)
        self._drain()

    @precondition(lambda self: self.registry.holds(SOURCE))
    @rule()
    def a_loss_is_confirmed(self) -> None:
        before = self._emptied()
        self.now += RULES.release_after
        self.registry.expire(lambda _: True)
        self.registry.drain()
        assert self._emptied() == before, "only what is too much at once is believed by time"
        assert sum(hold.endpoints for hold in self.registry.holds(SOURCE)) == before
        self.history = [(self.now, self._alive())]

    @invariant()
    def what_is_said_is_served(self) -> None:
        expected = {endpoint(service, number).key for service, found in self.said.items() for number in found}
        assert expected <= self._served()

    @invariant()
    def what_is_served_and_not_said_is_shown_as_held(self) -> None:
        expected = sum(len(found) for found in self.said.values())
        assert len(self._served()) - expected == sum(hold.endpoints for hold in self.registry.holds(SOURCE))

    def _drain(self) -> None:
        highest = max(self._in_force())
        before = len(self._served())
        self.registry.drain()
        alive = self._alive()
        self.history.append((self.now, alive))
        if len(self._served()) < before and highest >= RULES.min_endpoints:
            assert alive >= (1 - RULES.max_loss) * highest

    def _alive(self) -> int:
        """What is served without what may be long dead: that must not hide a loss."""
        return len(self._served()) - self._emptied()

    def _emptied(self) -> int:
        return sum(hold.endpoints for hold in self.registry.holds(SOURCE) if hold.reason is Reason.EMPTIED)

    def _in_force(self) -> list[int]:
        """The counts that were in force at some time of the window."""
        ends = [at for at, _ in self.history[1:]] + [self.now]
        return [count for (_, count), end in zip(self.history, ends, strict=True) if end >= self.now - WINDOW]

    def _served(self) -> set[EndpointKey]:
        return {each.endpoint.key for service in self.registry.services().values() for each in service.endpoints}


TestGuardedRegistry = GuardedRegistry.TestCase
TestGuardedRegistry.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
