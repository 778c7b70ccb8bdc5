"""The registry behaves as a plain dictionary from (source, scope, service) to entries, whatever is done to it."""

from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.diff import apply
from bridge.merge import Service, union
from bridge.model import Endpoint, EndpointKey, Entry, Health, InstanceId, Scope, ServiceName, SetAside, SourceName
from bridge.registry import Registry

HEALTHIEST = [Health.HEALTHY, Health.UNKNOWN, Health.DEGRADED, Health.UNHEALTHY, Health.DRAINING]
SOURCES = [SourceName("first"), SourceName("second")]
sources = st.sampled_from(SOURCES)
scopes = st.sampled_from([Scope("a"), Scope("b")])
services = st.sampled_from([ServiceName("web"), ServiceName("api"), ServiceName("db")])
instances = st.sampled_from([InstanceId("i1"), InstanceId("i2"), InstanceId("i3")])
endpoints = st.builds(
    Endpoint,
    address=st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1"]),
    port=st.sampled_from([80, 81]),
    health=st.sampled_from(Health),
    weight=st.integers(1, 3),
    instance=instances,
)
set_aside = st.builds(SetAside, instances, st.just("host:80"), st.just("not an IP address"))
entry_sets = st.frozensets(endpoints | set_aside, max_size=5)
reads = st.dictionaries(services, entry_sets, max_size=3)

Model = dict[tuple[SourceName, Scope, ServiceName], frozenset[Entry]]


class RegistryModel(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.registry = Registry(SOURCES, lambda _: union, lambda: 0.0)
        self.model: Model = {}
        self.drained: dict[ServiceName, Service] = {}

    @rule(source=sources, scope=scopes, read=reads)
    def complete_read(self, source: SourceName, scope: Scope, read: Mapping[ServiceName, frozenset[Entry]]) -> None:
        self.registry.sink(source).replace(scope, read)

        self.model = {place: entries for place, entries in self.model.items() if place[:2] != (source, scope)}
        self.model |= {(source, scope, service): entries for service, entries in read.items()}

    @rule(source=sources, scope=scopes, read=reads, removed=st.frozensets(instances, max_size=1))
    def partial_read(
        self,
        source: SourceName,
        scope: Scope,
        read: Mapping[ServiceName, frozenset[Entry]],
        removed: frozenset[InstanceId],
    ) -> None:
        self.registry.sink(source).replace(scope, read, complete=False, removed=removed)

        known = {service for owner, where, service in self.model if (owner, where) == (source, scope)}
        for service in known | read.keys():
            place = (source, scope, service)
            self.model[place] = laid_over(self.model.get(place, frozenset()), read.get(service, frozenset()), removed)

    @rule(source=sources, scope=scopes, service=services, entries=entry_sets)
    def update(self, source: SourceName, scope: Scope, service: ServiceName, entries: frozenset[Entry]) -> None:
        self.registry.sink(source).update(scope, service, entries)

        self.model[source, scope, service] = entries

    @rule(source=sources, scope=scopes, service=services)
    def remove(self, source: SourceName, scope: Scope, service: ServiceName) -> None:
        self.registry.sink(source).remove(scope, service)

        self.model.pop((source, scope, service), None)

    @rule(limit=st.none() | st.integers(1, 3))
    def drain(self, limit: int | None) -> None:
        self.drained = apply(self.drained, self.registry.drain(limit))

    @invariant()
    def what_was_drained_is_what_is_known(self) -> None:
        if self.registry.dirty:
            return
        assert self.drained == self.registry.services()
        assert self.drained.keys() == {service for _, _, service in self.model}
        for name, service in self.drained.items():
            served = {each.endpoint.key: (each.endpoint, len(each.origins)) for each in service.endpoints}
            assert served == merged(self.model, name)

    @invariant()
    def the_statistics_count_what_is_known(self) -> None:
        if self.registry.dirty:
            return
        for source in SOURCES:
            mine = {place: entries for place, entries in self.model.items() if place[0] == source}
            found = [entry for entries in mine.values() for entry in entries]
            statistics = self.registry.statistics(source)
            assert statistics.services == len({service for _, _, service in mine})
            assert sum(statistics.endpoints.values()) == sum(isinstance(entry, Endpoint) for entry in found)
            assert statistics.set_aside == sum(isinstance(entry, SetAside) for entry in found)


def laid_over(known: frozenset[Entry], read: frozenset[Entry], removed: frozenset[InstanceId]) -> frozenset[Entry]:
    """A partial read, as a dictionary would take it: what was read wins, what was not read stays."""
    by_endpoint: dict[tuple[InstanceId, EndpointKey], set[Entry]] = {}
    for entries in (known, read):
        for identity in {(entry.instance, entry.key) for entry in entries if isinstance(entry, Endpoint)}:
            by_endpoint[identity] = set()
            for entry in entries:
                if isinstance(entry, Endpoint) and (entry.instance, entry.key) == identity:
                    by_endpoint[identity].add(entry)
    seen = {entry.instance for entry in read}
    reasons = {entry for entry in read if isinstance(entry, SetAside)}
    reasons |= {entry for entry in known if isinstance(entry, SetAside) and entry.instance not in seen}
    everything = {*reasons, *(entry for entries in by_endpoint.values() for entry in entries)}
    return frozenset(entry for entry in everything if entry.instance not in removed)


def merged(model: Model, name: ServiceName) -> dict[EndpointKey, tuple[Endpoint, int]]:
    """The endpoint that is served at each address and port, and how many reports there are of it."""
    candidates: dict[EndpointKey, list[tuple[tuple[int, int, str, str, int], Endpoint]]] = {}
    for (source, scope, service), entries in model.items():
        for entry in entries if service == name else ():
            if isinstance(entry, Endpoint):
                rank = (SOURCES.index(source), HEALTHIEST.index(entry.health), scope, entry.instance, entry.weight)
                candidates.setdefault(entry.key, []).append((rank, entry))
    return {key: (min(found, key=lambda each: each[0])[1], len(found)) for key, found in candidates.items()}


TestRegistry = RegistryModel.TestCase
TestRegistry.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
