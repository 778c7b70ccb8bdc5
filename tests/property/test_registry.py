"""The registry behaves as a plain dictionary from (source, scope, service) to entries, whatever is done to it."""

from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.diff import apply
from bridge.merge import Service, union
from bridge.model import Endpoint, EndpointKey, Entry, Health, InstanceId, Scope, ServiceName, SetAside, SourceName
from bridge.registry import Registry

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
# One entry an instance, address and port: a source does not say two things of the same endpoint.
entry_sets = st.lists(
    endpoints | set_aside, max_size=5, unique_by=lambda entry: (entry.instance, getattr(entry, "key", None))
).map(frozenset[Entry])
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
        before = {place: keys_of(entries, removed) for place, entries in self.model.items()}
        self.registry.sink(source).replace(scope, read, complete=False, removed=removed)

        for service, entries in self.registry.reported(source, scope).items():
            self.model[source, scope, service] = entries
        for place, kept in before.items():
            assert kept <= keys_of(self.model[place], frozenset())
        for service, entries in read.items():
            reported = {entry for entry in entries if entry.instance not in removed}
            assert reported <= self.model[source, scope, service]

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
            assert {served.endpoint.key for served in service.endpoints} == {
                entry.key
                for (_, _, other), entries in self.model.items()
                if other == name
                for entry in entries
                if isinstance(entry, Endpoint)
            }

    @invariant()
    def the_statistics_count_what_is_known(self) -> None:
        for source in SOURCES:
            mine = {place: entries for place, entries in self.model.items() if place[0] == source}
            found = [entry for entries in mine.values() for entry in entries]
            statistics = self.registry.statistics(source)
            assert statistics.services == len({service for _, _, service in mine})
            assert sum(statistics.endpoints.values()) == sum(isinstance(entry, Endpoint) for entry in found)
            assert statistics.set_aside == sum(isinstance(entry, SetAside) for entry in found)


def keys_of(entries: frozenset[Entry], removed: frozenset[InstanceId]) -> set[tuple[InstanceId, EndpointKey]]:
    return {
        (entry.instance, entry.key)
        for entry in entries
        if isinstance(entry, Endpoint) and entry.instance not in removed
    }


TestRegistry = RegistryModel.TestCase
TestRegistry.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
