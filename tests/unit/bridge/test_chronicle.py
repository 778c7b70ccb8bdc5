import pytest

from bridge.audit import Action, Event
from bridge.chronicle import PERIOD, REJECTIONS, SHARE, SourceChronicle, StreamChronicle
from bridge.model import SourceName
from support.observed_stream import FakeStream
from xds import CLUSTER, ENDPOINT, Node

DC1, LOCAL = SourceName("dc1"), SourceName("local")
QUOTED = "name: web\n}\n: no timeout"


@pytest.fixture
def events() -> list[Event]:
    return []


def told(events: list[Event]) -> list[tuple[Action, str, str]]:
    return [(event.action, event.source, event.why) for event in events]


def test_an_outage_is_two_events_whatever_fails_of_the_source(events: list[Event]) -> None:
    subject = SourceChronicle(events.append)

    subject.failed(DC1, "catalog", "refused")
    subject.failed(DC1, "service 'web'", "refused")
    subject.crashed(LOCAL, "")
    subject.recovered(DC1)
    subject.recovered(DC1)

    assert told(events) == [
        (Action.FAILED, "dc1", "catalog: refused"),
        (Action.FAILED, "local", "a bug in the adapter"),
        (Action.RECOVERED, "dc1", "everything of it is read again"),
    ]


def test_a_source_that_is_taken_out_has_not_recovered(events: list[Event]) -> None:
    subject = SourceChronicle(events.append)
    subject.failed(DC1, "", "refused")

    subject.ended(DC1)
    subject.recovered(DC1)
    subject.failed(DC1, "", "refused")

    assert [event.action for event in events] == [Action.FAILED, Action.FAILED]


def test_a_source_that_another_configuration_mends_has_recovered(events: list[Event]) -> None:
    subject = SourceChronicle(events.append)
    subject.started(DC1)
    subject.failed(DC1, "", "refused")

    subject.started(DC1)
    subject.succeeded(DC1, "catalog")
    assert [event.action for event in events] == [Action.FAILED]
    subject.succeeded(DC1, "")
    subject.succeeded(DC1, "")
    subject.failed(DC1, "", "refused again")

    assert [event.action for event in events] == [Action.FAILED, Action.RECOVERED, Action.FAILED]


def test_an_outage_that_another_configuration_does_not_mend_goes_on(events: list[Event]) -> None:
    subject = SourceChronicle(events.append)
    subject.failed(DC1, "", "refused")

    subject.started(DC1)
    subject.failed(DC1, "service 'web'", "refused")
    subject.succeeded(DC1, "")
    assert [event.action for event in events] == [Action.FAILED]
    subject.recovered(DC1)

    assert [event.action for event in events] == [Action.FAILED, Action.RECOVERED]


def test_a_rejection_says_who_rejects_what_and_why(events: list[Event]) -> None:
    subject = StreamChronicle(events.append)

    subject.nacked(FakeStream(node=Node("edge-1")), CLUSTER.url, "v1", QUOTED)
    subject.nacked(FakeStream(), ENDPOINT.url, "v1", "no")

    assert told(events) == [
        (Action.REJECTED, "", "Envoy edge-1 rejects clusters: no timeout"),
        (Action.REJECTED, "", "Envoy ipv4:10.0.0.1:5000 rejects endpoints: no"),
    ]


def test_what_a_client_calls_itself_is_one_short_line_and_hides_no_reason(events: list[Event]) -> None:
    subject = StreamChronicle(events.append)
    name = "edge\n\r\u2028\u2029\x85\x1b[31m" + 1000 * "A"

    subject.nacked(FakeStream(node=Node(name)), CLUSTER.url, "v1", QUOTED)

    (event,) = events
    assert event.why.isprintable()
    assert event.why.startswith(r"Envoy edge \x1b[31mAAA")
    assert event.why.endswith("… rejects clusters: no timeout")
    assert len(event.why) <= 400


@pytest.mark.parametrize("nasty", [1000 * "\x1b", 1000 * "\U000e0001", 500 * "\r\n"])
def test_no_text_of_an_event_is_without_bounds(events: list[Event], nasty: str) -> None:
    StreamChronicle(events.append).nacked(FakeStream(node=Node(nasty)), nasty, "v1", nasty)
    SourceChronicle(events.append).failed(DC1, nasty, nasty)

    assert [event.why.isprintable() and len(event.why) <= 400 for event in events] == [True, True]


def test_envoys_that_say_the_same_are_one_event_whatever_the_version(events: list[Event]) -> None:
    subject = StreamChronicle(events.append)

    for number in range(3):
        subject.nacked(FakeStream(node=Node(f"edge-{number}")), CLUSTER.url, f"v{number}", QUOTED)
    subject.nacked(FakeStream(), CLUSTER.url, "v1", "another reason")
    subject.nacked(FakeStream(), ENDPOINT.url, "v1", QUOTED)

    assert len(events) == 3


def test_clients_cannot_push_everything_else_out_of_the_trail(events: list[Event]) -> None:
    now = 0.0
    subject = StreamChronicle(events.append, lambda: now)

    for number in range(2 * REJECTIONS):
        subject.nacked(FakeStream(node=Node(f"edge-{number}")), CLUSTER.url, "v1", f"no {number}")
    assert len(events) == REJECTIONS

    now += PERIOD
    subject.nacked(FakeStream(), CLUSTER.url, "v1", "no 0")
    assert len(events) == REJECTIONS + 1


@pytest.mark.parametrize("node", [Node("noisy"), None])
def test_one_client_cannot_silence_the_others(events: list[Event], node: Node | None) -> None:
    now = 0.0
    subject = StreamChronicle(events.append, lambda: now)

    for number in range(2 * REJECTIONS):
        noisy = FakeStream(number, node, peer=f"ipv4:10.0.0.1:{5000 + number}")
        subject.nacked(noisy, CLUSTER.url, "v1", f"no {number}")
    assert len(events) == SHARE

    subject.nacked(FakeStream(node=Node("edge")), CLUSTER.url, "v1", f"no {2 * REJECTIONS - 1}")
    assert len(events) == SHARE + 1

    now += PERIOD
    subject.nacked(FakeStream(1, node), CLUSTER.url, "v1", "no 0")
    assert len(events) == SHARE + 2
