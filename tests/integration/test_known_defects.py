"""What goes wrong in other control planes, each test by the name of a failure: from a report to what is served."""

import pytest

from bridge.merge import union
from bridge.model import Endpoint, Entry, Health, InstanceId, Scope, ServiceName, SetAside, SourceName
from bridge.registry import Registry
from bridge.resources import ResourceBuilder
from xds import CLUSTER, ENDPOINT, Snapshot

DC1, ECS, SCOPE = SourceName("dc1"), SourceName("ecs"), Scope("one")
WEB = ServiceName("web")


class Pipeline:
    """Registry and resources, as the bridge connects them."""

    def __init__(self) -> None:
        self.registry = Registry([DC1, ECS], lambda _: union, lambda: 0.0)
        self._builder = ResourceBuilder({}, [])
        self.snapshot = Snapshot()

    def report(self, *entries: Entry, source: SourceName = DC1, service: ServiceName = WEB) -> Snapshot:
        self.registry.sink(source).update(SCOPE, service, frozenset(entries))
        self.snapshot = self._builder.apply(self.snapshot, self.registry.drain())
        return self.snapshot


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


def endpoint(address: str = "10.0.0.1", health: Health = Health.HEALTHY, weight: int = 1) -> Endpoint:
    return Endpoint(address, 80, health, weight, instance=InstanceId(f"i-{address}"))


def test_an_endpoint_that_flaps_sends_every_cluster_again(pipeline: Pipeline) -> None:
    before = pipeline.report(endpoint())

    after = pipeline.report(endpoint(health=Health.UNHEALTHY))

    assert after.version(ENDPOINT.url) != before.version(ENDPOINT.url)
    assert after.version(CLUSTER.url) == before.version(CLUSTER.url)


def test_one_host_name_takes_its_service_or_everything_with_it(pipeline: Pipeline) -> None:
    pipeline.report(endpoint(), service=ServiceName("other"))
    without = pipeline.report(endpoint()).version(ENDPOINT.url)

    snapshot = pipeline.report(endpoint(), SetAside(InstanceId("i2"), "db.internal:80", "not an IP address"))

    assert snapshot.version(ENDPOINT.url) == without
    assert [each.entry.reported for each in pipeline.registry.set_aside(WEB)] == ["db.internal:80"]


def test_different_hosts_have_the_same_checksum(pipeline: Pipeline) -> None:
    versions = {pipeline.report(endpoint(f"10.0.0.{host}")).version(ENDPOINT.url) for host in range(1, 255)}

    assert len(versions) == 254


def test_scaling_to_zero_is_never_told(pipeline: Pipeline) -> None:
    pipeline.report(endpoint())

    snapshot = pipeline.report()

    assert snapshot.resources(ENDPOINT.url)["web"].body == b"\x0a\x03web"
    assert "web" in snapshot.resources(CLUSTER.url)


def test_a_restart_makes_everything_look_new() -> None:
    def life(*order: Endpoint) -> tuple[str, str]:
        pipeline = Pipeline()
        for length in range(1, len(order) + 1):
            pipeline.report(*order[:length])
        return pipeline.snapshot.version(CLUSTER.url), pipeline.snapshot.version(ENDPOINT.url)

    first, second = endpoint("10.0.0.1"), endpoint("10.0.0.2")

    assert life(first, second) == life(second, first)


def test_weights_of_an_endpoint_reported_twice_are_added_up(pipeline: Pipeline) -> None:
    alone = pipeline.report(endpoint(weight=3)).version(ENDPOINT.url)

    assert pipeline.report(endpoint(weight=3), source=ECS).version(ENDPOINT.url) == alone


def test_unhealthy_endpoints_are_removed_until_none_is_left(pipeline: Pipeline) -> None:
    healthy, sick = endpoint("10.0.0.1"), endpoint("10.0.0.2", Health.UNHEALTHY)

    body = pipeline.report(healthy, sick).resources(ENDPOINT.url)["web"].body

    assert b"10.0.0.1" in body
    assert b"10.0.0.2" in body
