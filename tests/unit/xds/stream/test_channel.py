from support.suspicion import drained, groups
from support.xds_content import snapshot
from xds import ENDPOINT, Snapshot
from xds.cache import Generation
from xds.message import Response
from xds.stream.channel import Channel, Held, Sent, hold_or_suspect
from xds.subscription import Subscription


def channel(*names: str) -> Channel:
    channel = Channel(ENDPOINT)
    channel.resubscribe(Subscription(frozenset(names)), frozenset(names))
    return channel


def response(nonce: str, *names: str, content: Snapshot | None = None) -> Response:
    return Response(type=ENDPOINT, nonce=nonce, snapshot=content or snapshot({}), names=frozenset(names))


def test_nonces_are_equal_for_equal_reasons_and_never_repeat() -> None:
    first, second = Generation(1, snapshot({})), Generation(2, snapshot({}))
    one, other = channel("a"), channel("a")

    issued = [one.next_nonce(generation, 1) for generation in (first, first, second)]

    assert len(set(issued)) == 3
    assert [other.next_nonce(generation, 1) for generation in (first, first, second)] == issued
    assert one.next_nonce(second, 0) not in issued


def test_an_answer_answers_what_was_sent_before() -> None:
    client = channel("a")
    for number in "123":
        client.record(response(number, "a"), 0.0)

    answered = client.answered("2")

    assert [sent.response.nonce for sent in answered] == ["1", "2"]
    assert list(client.pending) == ["3"]
    assert not client.open
    assert client.answered("1") == []
    assert len(client.answered("3")) == 1
    assert client.open


def test_responses_that_nobody_answers_are_forgotten_in_the_end() -> None:
    client = channel("a")

    for number in range(1000):
        client.record(response(str(number), "a"), 0.0)

    assert len(client.pending) < 50
    assert "999" in client.pending


def test_what_is_given_up_is_not_owed() -> None:
    client = channel("a", "b")

    client.resubscribe(Subscription(frozenset({"b"})), frozenset())
    client.owe(frozenset({"a", "b"}))

    assert client.owed == {"b"}


def test_a_response_of_several_is_taken_apart_and_one_alone_is_held() -> None:
    client, content = channel("a", "b"), snapshot({"a": "", "b": ""})

    hold_or_suspect(client, Sent(response("1", "b", "a", content=content), 0.0))
    hold_or_suspect(client, Sent(response("2", "a", content=content), 0.0))

    assert drained(client.suspects) == groups("a", "b")
    assert client.held == {"a": Held(content.resources(ENDPOINT.url)["a"].version)}
    assert client.without_held(frozenset({"a", "b"}), content) == {"b"}


def test_what_is_given_up_or_sent_anyway_is_no_suspect() -> None:
    client = channel(*"abcd")
    client.suspects.halve(frozenset("abcd"))

    client.settle(Generation(1, snapshot({})), frozenset("a"))
    client.resubscribe(Subscription(frozenset("ab")), frozenset())

    assert drained(client.suspects) == groups("b")


def test_what_was_given_up_before_it_was_rejected_is_no_suspect() -> None:
    client, content = channel("a", "b", "c"), snapshot({"a": "", "b": "", "c": ""})

    client.resubscribe(Subscription(frozenset("c")), frozenset())
    hold_or_suspect(client, Sent(response("1", "a", "b", "c", content=content), 0.0))

    assert drained(client.suspects) == groups("c")


def test_what_is_given_up_is_not_held() -> None:
    client = channel("a", "b")
    client.held = {"a": Held("1"), "b": Held("1")}

    client.resubscribe(Subscription(frozenset("b")), frozenset())

    assert client.held == {"b": Held("1")}


def test_a_rejection_is_forgotten_when_the_content_has_changed() -> None:
    client = channel("a")
    client.held = {"a": Held("old")}

    assert client.without_held(frozenset({"a"}), snapshot({"a": ""})) == {"a"}
    assert client.held == {}


def test_a_name_without_a_resource_can_be_held_too() -> None:
    client = channel("a")
    hold_or_suspect(client, Sent(response("1", "a"), 0.0))

    assert client.without_held(frozenset({"a"}), snapshot({})) == set()
    assert client.without_held(frozenset({"a"}), snapshot({"a": ""})) == {"a"}
