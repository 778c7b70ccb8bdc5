import asyncio
import re
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from bridge.guard import Reason as GuardReason
from bridge.merge import Origin, Policy, Ruling, ServedEndpoint, Service, Share, Vote
from bridge.metrics import Metrics, Sample
from bridge.model import Endpoint, Health, InstanceId, Scope, ServiceName, SourceName, UpstreamProtocol
from bridge.reconciler import Publication
from bridge.registry import Hold, SourceStatistics
from support.metric_series import series
from support.observed_stream import FakeStream
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT, Load, Node, Reason, Refused, StreamStatus, TypeStatus

DC1, ECS = SourceName("dc1"), SourceName("ecs")
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


def stream(node: str, transport: str = "sotw", *types: TypeStatus) -> StreamStatus:
    return StreamStatus(
        id=1,
        node=Node(node) if node else None,
        peer=f"ipv4:10.0.0.1:{len(node)}",
        transport=transport,
        aggregated=True,
        age=1.0,
        types=types,
    )


def of_type(url: str, sent: str = "1", acked: str = "1", rejection: str | None = None) -> TypeStatus:
    return TypeStatus(type_url=url, names=None, version_sent=sent, version_acked=acked, rejection=rejection, since=1.0)


def service(name: str, *healths: Health, disputed: bool = False) -> Service:
    endpoints = tuple(
        ServedEndpoint(Endpoint("10.0.0.1", port + 1, health), (Origin(DC1, Scope(""), InstanceId(""), 0.0),))
        for port, health in enumerate(healths)
    )
    asked = (UpstreamProtocol.HTTP1, UpstreamProtocol.GRPC) if disputed else ()
    return Service(ServiceName(name), endpoints, None, frozenset(Vote(protocol, DC1) for protocol in asked))


def sample(
    *streams: StreamStatus,
    services: tuple[Service, ...] = (),
    ready: bool = False,
    statistics: SourceStatistics | None = None,
    holds: tuple[Hold, ...] = (),
) -> Sample:
    return Sample(services, {DC1: statistics} if statistics else {}, holds, streams, ready)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def test_publication_counts_changes_and_their_wait(metrics: Metrics) -> None:
    metrics.published(
        Publication(endpoints_added=5, endpoints_changed=2, endpoints_removed=1, waited=0.03, generation=1)
    )

    found = series(metrics)

    changes = [found[f"registry_changes_total{{kind={kind}}}"] for kind in ("added", "changed", "removed")]
    assert changes == [5, 2, 1]
    assert found["debounce_seconds_sum"] == pytest.approx(0.03)
    assert found["snapshot_published_timestamp_seconds"] > 1.7e9


def test_propagation_runs_from_the_read_of_each_source_to_the_last_answer(metrics: Metrics) -> None:
    metrics.sources.started(DC1)
    metrics.sources.started(ECS)
    metrics.published(Publication(2, 0, 0, waited=0.2, generation=7, causes={DC1: 0.2, ECS: 0.1}))
    metrics.published(Publication(1, 0, 0, waited=0.0, generation=8, causes={DC1: 0.0}))
    metrics.published(Publication(1, 0, 0, waited=9.0, generation=9))  # nobody's change: an operator's, a policy's
    for generation, latency in ((7, 0.05), (8, 0.01), (9, 0.01)):
        metrics.streams.settled(generation, latency)

    found = series(metrics)

    assert found["propagation_seconds_sum{source=dc1}"] == pytest.approx(0.26)
    assert found["propagation_seconds_count{source=dc1}"] == 2
    assert found["propagation_seconds_sum{source=ecs}"] == pytest.approx(0.15)


def test_generations_that_are_never_settled_are_forgotten(metrics: Metrics) -> None:
    metrics.sources.started(DC1)
    for generation in range(5000):
        metrics.published(Publication(1, 0, 0, waited=0.2, generation=generation, causes={DC1: 0.2}))

    metrics.streams.settled(0, 0.05)

    assert series(metrics)["propagation_seconds_count{source=dc1}"] == 0


def test_the_wait_of_a_client_for_its_turn_is_observed(metrics: Metrics) -> None:
    metrics.streams.begun(0.03)

    found = series(metrics)

    assert found["push_queue_seconds_sum"] == pytest.approx(0.03)
    assert found["push_queue_seconds_count"] == 1


def test_pushes_and_answers_are_counted_by_type(metrics: Metrics) -> None:
    metrics.streams.opened(FakeStream(transport="delta"))
    metrics.streams.sent(FakeStream(transport="delta"), ENDPOINT.url, 3, 700)
    metrics.streams.acked(FakeStream(transport="delta"), ENDPOINT.url, "1", 0.01)
    metrics.streams.nacked(FakeStream(transport="delta"), CLUSTER.url, "2", "bad cluster")

    found = series(metrics)

    assert found["xds_streams_opened_total{transport=delta}"] == 1
    assert found["xds_pushes_total{type=endpoint}"] == 1
    assert found["xds_pushes_total{type=cluster}"] == 0
    assert found["xds_push_bytes_sum{type=endpoint}"] == 700
    assert found["xds_acks_total{type=endpoint}"] == 1
    assert found["xds_nacks_total{type=cluster}"] == 1


def test_streams_that_had_to_be_slowed_or_ended_are_counted(metrics: Metrics) -> None:
    metrics.streams.slowed(FakeStream())
    metrics.streams.stalled(FakeStream())
    metrics.streams.refused("ipv4:127.0.0.1:1", Refused(Reason.STREAMS_PER_CLIENT, "too many"))

    found = series(metrics)

    assert found["xds_streams_slowed_total"] == 1
    assert found["xds_streams_stalled_total"] == 1
    assert found["xds_streams_refused_total{reason=streams_per_client}"] == 1


def test_polls_are_counted_by_their_result(metrics: Metrics) -> None:
    metrics.streams.fetched(CLUSTER.url, unchanged=False)
    for _ in range(2):
        metrics.streams.fetched(CLUSTER.url, unchanged=True)

    found = {name: value for name, value in series(metrics).items() if name.startswith("xds_fetches_total")}

    assert found == {
        "xds_fetches_total{result=answered,type=cluster}": 1,
        "xds_fetches_total{result=unchanged,type=cluster}": 2,
        "xds_fetches_total{result=answered,type=endpoint}": 0,
        "xds_fetches_total{result=unchanged,type=endpoint}": 0,
    }


def test_what_clients_make_up_does_not_make_series(metrics: Metrics) -> None:
    metrics.streams.unsupported(FakeStream(transport="delta"), LISTENER)
    for number in range(1000):
        metrics.streams.unsupported(FakeStream(transport="delta"), f"type.googleapis.com/made.up.{number}")
        metrics.streams.refused(f"ipv4:127.0.0.1:{number}", Refused(Reason.INVALID_REQUEST, f"{number}"))

    found = series(metrics)

    unsupported = {name: value for name, value in found.items() if name.startswith("xds_unsupported_requests_total")}
    assert unsupported == {
        "xds_unsupported_requests_total{type=listener}": 1,
        "xds_unsupported_requests_total{type=other}": 1000,
    }
    assert found["xds_streams_refused_total{reason=invalid_request}"] == 1000
    assert sum(name.startswith("xds_streams_refused_total") for name in found) == len(Reason)


def test_registry_is_counted_by_health(metrics: Metrics) -> None:
    services = (service("web", Health.HEALTHY, Health.HEALTHY, Health.DRAINING), service("api", disputed=True))

    found = series(metrics, sample(services=services, ready=True))

    assert found["registry_services"] == 2
    assert found["registry_endpoints{health=healthy}"] == 2
    assert found["registry_endpoints{health=draining}"] == 1
    assert found["registry_endpoints{health=unhealthy}"] == 0
    assert found["registry_disputed_services"] == 1
    assert found["ready"] == 1


def test_services_that_other_sources_serve_are_counted_by_policy(metrics: Metrics) -> None:
    shares = (Share(DC1, 90, counts=False), Share(SourceName("ecs"), 10, counts=True))
    served = replace(service("web"), ruling=Ruling(Policy.WEIGHTED, shares=shares))

    found = series(metrics, sample(services=(served, service("api"))))

    assert found["registry_diverted_services{policy=weighted}"] == 1
    assert found["registry_diverted_services{policy=first}"] == 0


def test_sources_are_counted_before_they_are_merged(metrics: Metrics) -> None:
    statistics = SourceStatistics(services=2, endpoints={Health.HEALTHY: 3}, set_aside=1)

    found = series(metrics, sample(statistics=statistics))

    assert found["source_services{source=dc1}"] == 2
    assert found["source_endpoints{health=healthy,source=dc1}"] == 3
    assert found["source_endpoints{health=unknown,source=dc1}"] == 0
    assert found["source_set_aside_endpoints{source=dc1}"] == 1


def test_sources_have_their_type_beside_them(metrics: Metrics) -> None:
    assert series(metrics, replace(sample(), types={DC1: "consul"}))["source_info{source=dc1,type=consul}"] == 1


def test_holds_are_counted_when_they_begin_and_what_is_restored_is_one_flag(metrics: Metrics) -> None:
    trips = {GuardReason.LOSS: 2}

    quiet = series(metrics, sample(statistics=SourceStatistics(1, {}, 0)))
    found = series(metrics, sample(statistics=SourceStatistics(1, {}, 0, restored=3, trips=trips)))

    assert found["guard_trips_total{reason=loss,source=dc1}"] == 2
    assert found["guard_trips_total{reason=emptied,source=dc1}"] == 0
    assert (quiet["serving_restored_state"], found["serving_restored_state"]) == (0, 1)


def test_the_oldest_answer_that_is_missing_is_told_by_type(metrics: Metrics) -> None:
    streams = (
        stream("a", "sotw", replace(of_type(CLUSTER.url, sent="2"), unanswered=70.0)),
        stream("b", "sotw", replace(of_type(CLUSTER.url, sent="2", rejection="bad"), unanswered=30.0)),
        stream("c", "sotw", replace(of_type(CLUSTER.url, sent="2", rejection="bad"), since=900.0)),
        stream("d", "sotw", replace(of_type(ENDPOINT.url), since=900.0)),
    )

    found = series(metrics, sample(*streams))

    assert found["xds_oldest_unacked_seconds{type=cluster}"] == 70
    assert found["xds_oldest_unacked_seconds{type=endpoint}"] == 0


def test_clients_are_counted_once_however_many_streams_they_have(metrics: Metrics) -> None:
    streams = (
        stream("a", "sotw", of_type(CLUSTER.url, rejection="bad")),
        stream("a", "sotw", replace(of_type(ENDPOINT.url, sent="2", acked="1"), unanswered=0.1)),
        stream("b", "delta", of_type(CLUSTER.url), of_type(ENDPOINT.url)),
        stream("", "delta"),
    )

    found = series(metrics, sample(*streams))

    assert found["xds_clients"] == 3
    assert found["xds_streams{kind=aggregated,transport=sotw}"] == 2
    assert found["xds_streams{kind=aggregated,transport=delta}"] == 2
    assert found["xds_streams{kind=separate,transport=sotw}"] == 0
    assert found["xds_rejecting_clients{type=cluster}"] == 1
    assert found["xds_rejecting_clients{type=endpoint}"] == 0
    assert found["xds_unacked_clients{type=endpoint}"] == 1


def test_what_clients_cost_is_shown(metrics: Metrics) -> None:
    load = Load(places=1, names=2, in_flight=3, left=4, waiting=5)

    found = series(metrics, replace(sample(), load=load))

    names = ["places", "unknown_names", "in_flight_bytes", "unread_bytes", "waiting_writes"]
    assert [found[f"xds_{name}"] for name in names] == [1, 2, 3, 4, 5]


def test_process_build_and_garbage_collector_are_shown(metrics: Metrics) -> None:
    found = series(metrics)

    assert found["process_open_fds"] > 0
    assert any(name.startswith("python_gc_objects_collected_total") for name in found)
    assert any(re.match(r"build_info\{.*version=\d", name) for name in found)


def test_rendering_twice_is_possible_and_creation_times_are_left_out(metrics: Metrics) -> None:
    metrics.sources.succeeded(DC1, "")

    first, second = metrics.render(sample()), metrics.render(sample())

    assert first.count(b"xds_bridge_source_reads_total") == second.count(b"xds_bridge_source_reads_total")
    assert b"_created" not in second


def test_names_follow_the_rules_of_prometheus(metrics: Metrics) -> None:
    families = list(text_string_to_metric_families(metrics.render(sample()).decode()))

    ours = [family for family in families if family.name.startswith("xds_bridge_")]
    assert len(ours) > 25
    for family in ours:
        assert family.documentation.endswith((".", "now.", "publication.")), family.name
        assert re.fullmatch(r"[a-z_]+", family.name)
        assert "milliseconds" not in family.name
        assert (family.type == "counter") == all(each.name.endswith("_total") for each in family.samples) or (
            not family.samples
        )


def test_tasks_of_the_event_loop_are_counted(metrics: Metrics) -> None:
    assert series(metrics, Sample((), {}, (), (), ready=True, tasks=7))["event_loop_tasks"] == 7


async def test_lag_of_the_event_loop_is_measured(metrics: Metrics) -> None:
    task = asyncio.create_task(metrics.observe_loop(interval=0.01))

    async def observed() -> bool:
        return (await asyncio.to_thread(series, metrics))["event_loop_lag_seconds_count"] >= 2

    await eventually(observed)

    task.cancel()
    await asyncio.wait([task])
