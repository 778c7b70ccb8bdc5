import pytest

from bridge.stream_log import REMEMBERED, StreamLog
from support.observed_stream import FakeStream
from xds import CLUSTER, ENDPOINT, Node, Reason, Refused


@pytest.fixture
def edge() -> FakeStream:
    return FakeStream(node=Node("edge-1", "edge"))


def test_a_rejection_is_said_with_the_envoy_and_its_reason(edge: FakeStream, caplog: pytest.LogCaptureFixture) -> None:
    StreamLog().nacked(edge, CLUSTER.url, "v1", "connect_timeout must be positive")

    (record,) = caplog.records
    assert record.getMessage() == "stream.nacked"
    assert {key: record.__dict__[key] for key in ("node", "cluster", "version", "error")} == {
        "node": "edge-1",
        "cluster": "edge",
        "version": "v1",
        "error": "connect_timeout must be positive",
    }


def test_the_same_rejection_is_said_once_also_after_a_reconnect(
    edge: FakeStream, caplog: pytest.LogCaptureFixture
) -> None:
    subject = StreamLog()

    for stream in (edge, edge, FakeStream(id=2, node=edge.node)):
        subject.nacked(stream, CLUSTER.url, "v1", "no")
    subject.nacked(edge, CLUSTER.url, "v2", "no")
    subject.nacked(edge, ENDPOINT.url, "v1", "no")
    subject.nacked(FakeStream(node=Node("edge-2")), CLUSTER.url, "v1", "no")

    assert len(caplog.records) == 4


def test_the_memory_of_rejections_is_bounded(edge: FakeStream, caplog: pytest.LogCaptureFixture) -> None:
    subject = StreamLog()

    for version in (*range(REMEMBERED + 1), 0):
        subject.nacked(edge, CLUSTER.url, str(version), "no")

    assert len(caplog.records) == REMEMBERED + 2


def test_a_refused_client_that_keeps_coming_is_named_once_for_each_reason(caplog: pytest.LogCaptureFixture) -> None:
    subject = StreamLog()

    for port in range(5):
        subject.refused(f"ipv4:10.0.0.1:{port}", Refused(Reason.INVALID_REQUEST, f"no request {port}"))
    subject.refused("ipv4:10.0.0.1:9", Refused(Reason.NO_VIEW, "nothing for you"))
    subject.refused("ipv4:10.0.0.2:9", Refused(Reason.NO_VIEW, "nothing for you"))

    assert [record.__dict__["reason"] for record in caplog.records] == ["invalid_request", "no_view", "no_view"]


def test_a_client_that_asks_too_fast_is_said(edge: FakeStream, caplog: pytest.LogCaptureFixture) -> None:
    StreamLog().slowed(edge)

    (record,) = caplog.records
    assert (record.getMessage(), record.levelname, record.__dict__["node"]) == ("stream.slowed", "WARNING", "edge-1")


def test_that_there_is_nothing_yet_is_no_news_about_a_client(caplog: pytest.LogCaptureFixture) -> None:
    StreamLog().refused("ipv4:10.0.0.1:9", Refused(Reason.NOT_READY, "ask again"))

    assert caplog.records == []


def test_a_bug_is_said_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    StreamLog().failed(FakeStream(), ValueError("oops"))

    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
