"""Every metric that the bridge can show, with a series of each: what documentation and alerts are held to."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

from bridge.config import PerService
from bridge.metrics import Metrics, Sample
from bridge.model import SourceName
from bridge.peers import PeerState, PeerStatus
from bridge.poll import Poll
from bridge.reconciler import Publication
from bridge.registry import SourceStatistics
from bridge.supervisor import ReadingStatus, SourceStatus
from support.builders import endpoint, service
from support.observed_stream import FakeStream
from xds import CLUSTER, Identity, Validity

DC1 = SourceName("dc1")


@dataclass(frozen=True)
class Family:
    """A metric as `/metrics` has it."""

    name: str
    """As a person writes it: a counter ends with `_total`."""
    type: str
    help: str
    labels: frozenset[str]
    series: frozenset[str]
    """Names under which it can be asked for."""


def shown_metrics() -> dict[str, Family]:
    """All of them, by name."""
    found = [_family(each) for each in text_string_to_metric_families(_text())]
    return {each.name: each for each in found}


def _family(family: Metric) -> Family:
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    name = f"{family.name}_total" if family.type == "counter" else family.name
    series = frozenset(sample.name for sample in family.samples)
    return Family(name, family.type, family.documentation, frozenset(labels), series)


def _text() -> str:
    metrics = Metrics(CollectorRegistry())
    _happen(metrics)
    poll = Poll("self/eu-west-1", (), 15, 15, 5)
    status = SourceStatus(DC1, last_success=1.0, age=1.0, readings=(ReadingStatus("all", 1.0, 1.0, poll),))
    sample = Sample(
        services=(service("web", [endpoint()]),),
        statistics={DC1: SourceStatistics(1, {}, 0)},
        holds=(),
        streams=(),
        ready=True,
        sources={DC1: status},
        types={DC1: "consul"},
        peers=(PeerStatus("http://10.0.0.6:19000", PeerState.SAME, 1.0),),
        per_service=PerService.ON,
    )
    return metrics.render(sample).decode()


def _happen(metrics: Metrics) -> None:
    """Have everything happen that makes a series."""
    stream = FakeStream()
    metrics.sources.started(DC1)
    metrics.sources.requested(DC1, "list", "200", 0.1)
    metrics.sources.polled(DC1, Poll("self/eu-west-1", (), 15, 15, 5, took=0.1))
    metrics.published(Publication(1, 0, 0, 0.1, 1, {DC1: 0.1}))
    metrics.streams.opened(stream)
    metrics.streams.sent(stream, CLUSTER.url, 1, 100)
    metrics.streams.unsupported(stream, "made.up")
    metrics.tls.loaded(Identity(certificate=b"", private_key=b"", validity=Validity(0.0, 1.0)))
