import asyncio
import re
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from bridge.errors import SourceError
from bridge.merge import Origin, Policy, Ruling, ServedEndpoint, Service, Share, Vote
from bridge.metrics import Metrics, Sample
from bridge.model import Endpoint, Health, InstanceId, Scope, ServiceName, SourceName, UpstreamProtocol
from bridge.poll import Calls, Poll
from bridge.reconciler import Publication
from bridge.registry import Hold, SourceStatistics
from bridge.supervisor import ReadingStatus, SourceStatus
from support.observed_stream import FakeStream
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT, Load, Node, Reason, Refused, StreamStatus, TypeStatus

DC1 = SourceName("dc1")
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


def series(metrics: Metrics, taken: Sample | None = None) -> dict[str, float]:
    """Every series as `name{label=value,…}`, without the common prefix."""
    found = {}
    for family in text_string_to_metric_families(metrics.render(taken or sample()).decode()):
        for each in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(each.labels.items()))
            found[each.name.removeprefix("xds_bridge_") + (f"{{{labels}}}" if labels else "")] = each.value
    return found


def test_source_that_never_spoke_is_down_and_not_absent(metrics: Metrics) -> None:
    metrics.sources.started(DC1)

    found = series(metrics, Sample((), {}, (), (), ready=False, sources={DC1: SourceStatus(DC1)}))

    assert found["source_up{source=dc1}"] == 0
    assert found["source_last_success_timestamp_seconds{source=dc1}"] == 0
    assert found["source_reads_total{result=error,source=dc1}"] == 0
    assert found["source_crashes_total{source=dc1}"] == 0


def test_source_is_up_while_nothing_of_it_fails(metrics: Metrics) -> None:
    seen = []

    def up() -> None:
        seen.append(series(metrics)["source_up{source=dc1}"])

    metrics.sources.started(DC1)
    metrics.sources.succeeded(DC1, "")
    up()
    metrics.sources.failed(DC1, "web", str(SourceError("refused")))
    metrics.sources.succeeded(DC1, "api")
    up()
    metrics.sources.succeeded(DC1, "web")
    metrics.sources.recovered(DC1)
    up()

    assert seen == [1, 0, 1]


def test_a_source_that_is_gone_leaves_no_series_behind(metrics: Metrics) -> None:
    for source in (DC1, SourceName("ecs")):
        metrics.sources.started(source)
        metrics.sources.failed(source, "", "refused")
        metrics.sources.requested(source, "list", "200", 0.1)

    metrics.sources.ended(DC1)

    found = series(metrics)
    assert [name for name in found if "dc1" in name] == []
    assert found["source_api_requests_total{code=200,operation=list,source=ecs}"] == 1


def test_a_source_that_is_read_anew_begins_anew(metrics: Metrics) -> None:
    metrics.sources.started(DC1)
    metrics.sources.failed(DC1, "", "refused")

    metrics.sources.started(DC1)
    metrics.sources.succeeded(DC1, "")

    assert series(metrics)["source_up{source=dc1}"] == 1


def test_reads_and_bugs_are_counted(metrics: Metrics) -> None:
    metrics.sources.started(DC1)
    metrics.sources.succeeded(DC1, "")
    metrics.sources.failed(DC1, "", "refused")
    metrics.sources.crashed(DC1, "")

    found = series(metrics)

    assert found["source_reads_total{result=ok,source=dc1}"] == 1
    assert found["source_reads_total{result=error,source=dc1}"] == 2
    assert found["source_crashes_total{source=dc1}"] == 1


def test_freshness_and_cost_of_polling_are_those_of_the_reads_that_there_are(metrics: Metrics) -> None:
    calls = (Calls("ListTasks", 1), Calls("DescribeTasks", 20))
    readings = (
        ReadingStatus("cluster a", 1.8e9, 1.0, Poll("self/eu-west-1", calls, 15, 40, 5)),
        ReadingStatus("cluster b", 1.7e9, 9.0, Poll("self/eu-west-1", calls[:1], 15, 15, 5)),
        ReadingStatus("cluster c", 1.8e9, 1.0, Poll("self/us-east-1", calls[:1], 15, 15, 5)),
        ReadingStatus("clusters", 1.8e9, 1.0, None),
    )
    status = SourceStatus(DC1, last_success=1.7e9, age=9.0, readings=readings)

    found = series(metrics, Sample((), {}, (), (), ready=False, sources={DC1: status}))
    later = series(metrics, Sample((), {}, (), (), ready=False, sources={DC1: SourceStatus(DC1)}))

    assert found["source_last_success_timestamp_seconds{source=dc1}"] == 1.7e9
    assert found["source_poll_calls{place=self/eu-west-1,source=dc1}"] == 22
    assert found["source_poll_interval_seconds{place=self/eu-west-1,source=dc1}"] == 40
    assert found["source_poll_configured_interval_seconds{place=self/eu-west-1,source=dc1}"] == 15
    assert found["source_poll_budget_calls_per_second{place=self/us-east-1,source=dc1}"] == 5
    assert [name for name in later if name.startswith("source_poll")] == []


def test_api_calls_are_counted_and_timed(metrics: Metrics) -> None:
    metrics.sources.requested(DC1, "health", "200", 0.02)
    metrics.sources.requested(DC1, "health", "500", 0.3)

    found = series(metrics)

    assert found["source_api_requests_total{code=200,operation=health,source=dc1}"] == 1
    assert found["source_api_requests_total{code=500,operation=health,source=dc1}"] == 1
    assert found["source_api_request_duration_seconds_sum{operation=health,source=dc1}"] == pytest.approx(0.32)


def test_publication_counts_changes_and_their_wait(metrics: Metrics) -> None:
    metrics.published(
        Publication(endpoints_added=5, endpoints_changed=2, endpoints_removed=1, waited=0.03, generation=1)
    )

    found = series(metrics)

    changes = [found[f"registry_changes_total{{kind={kind}}}"] for kind in ("added", "changed", "removed")]
    assert changes == [5, 2, 1]
    assert found["debounce_seconds_sum"] == pytest.approx(0.03)
    assert found["snapshot_published_timestamp_seconds"] > 1.7e9


def test_propagation_runs_from_the_source_to_the_last_answer(metrics: Metrics) -> None:
    metrics.published(Publication(1, 0, 0, waited=0.2, generation=7))
    metrics.published(Publication(1, 0, 0, waited=0.0, generation=8))
    metrics.streams.settled(7, 0.05)
    metrics.streams.settled(8, 0.01)

    found = series(metrics)

    assert found["propagation_seconds_sum"] == pytest.approx(0.26)
    assert found["propagation_seconds_count"] == 2


def test_generations_that_are_never_settled_are_forgotten(metrics: Metrics) -> None:
    for generation in range(5000):
        metrics.published(Publication(1, 0, 0, waited=0.2, generation=generation))

    metrics.streams.settled(0, 0.05)

    assert series(metrics)["propagation_seconds_count"] == 0


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


def test_clients_are_counted_once_however_many_streams_they_have(metrics: Metrics) -> None:
    streams = (
        stream("a", "sotw", of_type(CLUSTER.url, rejection="bad")),
        stream("a", "sotw", of_type(ENDPOINT.url, sent="2", acked="1")),
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
