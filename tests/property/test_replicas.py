"""Replicas whose sources agree serve equal bytes under equal versions, whatever they were told before, in any order."""

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapter import Sink
from bridge.merge import MergePolicy, Weighted, failover, union
from bridge.model import Endpoint, Entry, Health, InstanceId, Locality, Scope, ServiceName, SourceName
from bridge.peers import fingerprints, type_versions
from bridge.registry import Registry
from bridge.resources import ResourceBuilder
from xds import TYPES, Snapshot

SOURCES = [SourceName("first"), SourceName("second")]
POLICIES: Mapping[str, MergePolicy] = {
    "web": union,
    "api": failover,
    "db": Weighted(((SOURCES[0], 90), (SOURCES[1], 10))),
}

Place = tuple[SourceName, Scope]
Facts = Mapping[Place, Mapping[ServiceName, frozenset[Entry]]]
"""What each scope of each source has to say, in the end or at some time before."""

names = st.sampled_from(list(POLICIES)).map(ServiceName)
places = st.tuples(st.sampled_from(SOURCES), st.sampled_from([Scope("a"), Scope("b")]))
endpoints = st.builds(
    Endpoint,
    address=st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"]),
    port=st.sampled_from([80, 81]),
    health=st.sampled_from(Health),
    weight=st.integers(1, 3),
    locality=st.sampled_from([Locality(), Locality("eu", "eu-1a")]),
    metadata=st.sampled_from([(), (("version", "v1"),)]),
    instance=st.sampled_from(["i1", "i2", "i3"]).map(InstanceId),
)
facts = st.dictionaries(places, st.dictionaries(names, st.frozensets(endpoints, max_size=5)), max_size=4)


@pytest.fixture(scope="module")
def builder() -> ResourceBuilder:
    return ResourceBuilder({}, [])


class Replica:
    """What one process knows and serves."""

    def __init__(self, builder: ResourceBuilder, randomness: random.Random) -> None:
        self._registry = Registry(SOURCES, lambda name: POLICIES[name], lambda: 0.0)
        self._builder = builder
        self._randomness = randomness
        self.snapshot = Snapshot()

    def learn(self, known: Facts) -> None:
        """Be told all of this, scope by scope or service by service, and serve it at moments of its own."""
        order = [(source, scope) for source in SOURCES for scope in (Scope("a"), Scope("b"))]
        self._randomness.shuffle(order)
        for place in order:
            self._tell(self._registry.sink(place[0]), place[1], known.get(place, {}))
            if self._randomness.random() < 0.5:
                self.publish(self._randomness.choice([None, 1]))

    def publish(self, limit: int | None = None) -> None:
        self.snapshot = self._builder.apply(self.snapshot, self._registry.drain(limit))

    def _tell(self, sink: Sink, scope: Scope, services: Mapping[ServiceName, frozenset[Entry]]) -> None:
        if self._randomness.random() < 0.5:
            sink.replace(scope, services)
            return
        for name in self._randomness.sample(list(POLICIES), len(POLICIES)):
            if name in services:
                sink.update(scope, ServiceName(name), services[ServiceName(name)])
            else:
                sink.remove(scope, ServiceName(name))


def served(snapshot: Snapshot) -> dict[tuple[str, str], tuple[str, bytes]]:
    return {
        (kind.url, name): (resource.version, resource.body)
        for kind in TYPES
        for name, resource in snapshot.resources(kind.url).items()
    }


@settings(max_examples=50)
@given(st.lists(facts, max_size=3), st.lists(facts, max_size=3), facts, st.randoms(use_true_random=False))
def test_equal_facts_give_equal_bytes_and_versions(
    builder: ResourceBuilder, one_past: list[Facts], other_past: list[Facts], end: Facts, randomness: random.Random
) -> None:
    one, other = Replica(builder, randomness), Replica(ResourceBuilder({}, []), randomness)

    for replica, past in ((one, one_past), (other, other_past)):
        for known in (*past, end):
            replica.learn(known)
        replica.publish()

    assert served(one.snapshot) == served(other.snapshot)
    assert type_versions(one.snapshot) == type_versions(other.snapshot)
    assert fingerprints(one.snapshot) == fingerprints(other.snapshot)
