"""What is counted of sources."""

import pytest
from prometheus_client import CollectorRegistry

from bridge.errors import Cause, SourceError
from bridge.metrics import Metrics, Sample
from bridge.model import SourceName
from bridge.poll import Calls, Poll
from bridge.reconciler import Publication
from bridge.supervisor import ReadingStatus, SourceStatus
from support.metric_series import series

DC1 = SourceName("dc1")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


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
    metrics.sources.failed(DC1, "", "slow down", Cause.THROTTLED)
    metrics.sources.crashed(DC1, "")

    found = series(metrics)

    assert found["source_reads_total{result=ok,source=dc1}"] == 1
    assert found["source_reads_total{result=error,source=dc1}"] == 2
    assert found["source_reads_total{result=throttled,source=dc1}"] == 1
    assert [found[f"source_reads_total{{result={each},source=dc1}}"] for each in ("denied", "partial", "timeout")] == [
        0,
        0,
        0,
    ]
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


def test_passes_are_timed_when_they_end(metrics: Metrics) -> None:
    metrics.sources.polled(DC1, Poll("self/eu-west-1", (), 15, 15, 5, took=0.7))
    metrics.sources.polled(DC1, Poll("self/eu-west-1", (), 15, 30, 5))  # asked less often from now on

    found = series(metrics)

    assert found["source_poll_duration_seconds_sum{source=dc1}"] == pytest.approx(0.7)
    assert found["source_poll_duration_seconds_count{source=dc1}"] == 1


def test_api_calls_are_counted_and_timed(metrics: Metrics) -> None:
    metrics.sources.requested(DC1, "health", "200", 0.02)
    metrics.sources.requested(DC1, "health", "500", 0.3)

    found = series(metrics)

    assert found["source_api_requests_total{code=200,operation=health,source=dc1}"] == 1
    assert found["source_api_requests_total{code=500,operation=health,source=dc1}"] == 1
    assert found["source_api_request_duration_seconds_sum{operation=health,source=dc1}"] == pytest.approx(0.32)


def test_a_change_that_arrives_after_its_source_was_taken_out_makes_no_series(metrics: Metrics) -> None:
    metrics.sources.started(DC1)
    metrics.published(Publication(1, 0, 0, waited=0.2, generation=7, causes={DC1: 0.2}))

    metrics.sources.ended(DC1)
    metrics.streams.settled(7, 0.05)

    assert [name for name in series(metrics) if "dc1" in name] == []
