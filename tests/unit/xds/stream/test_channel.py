from support.suspicion import drained, groups
from support.xds_content import assignment, snapshot
from xds import ENDPOINT, Snapshot
from xds.cache import Generation
from xds.message import Response
from xds.stream.channel import Channel, Held, Rejection, Sent, hold_or_suspect
from xds.subscription import Subscription

NO = Rejection("no", "1")


def channel(*names: str) -> Channel:
    channel = Channel(ENDPOINT)
    channel.resubscribe(Subscription(frozenset(names)), frozenset(names))
    return channel


def answered(*names: str) -> Channel:
    """One that was sent all that it asked for."""
    client = channel(*names)
    client.settle(Generation(1, snapshot({})), frozenset(names))
    return client


def response(nonce: str, *names: str, content: Snapshot | None = None) -> Response:
    return Response(type=ENDPOINT, nonce=nonce, snapshot=content or snapshot({}), names=frozenset(names))


def test_nonces_are_equal_for_equal_reasons_and_never_repeat() -> None:
    first, second = Generation(1, snapshot({})), Generation(2, snapshot({}))
    one, other = channel("a"), channel("a")

    issued = [one.next_nonce(generation, 1) for generation in (first, first, second)]

    assert len(set(issued)) == 3
    assert [other.next_nonce(generation, 1) for generation in (first, first, second)] == issued
    assert one.next_nonce(second, 0) not in issued


def test_an_answer_answers_what_was_sent_before_if_clients_skip_responses() -> None:
    client = channel("a")
    for number in "123":
        client.record(response(number, "a"), 0.0)

    answered = client.answered("2", skips=True)

    assert [sent.response.nonce for sent in answered] == ["1", "2"]
    assert list(client.pending) == ["3"]
    assert not client.open
    assert client.answered("1", skips=True) == []
    assert len(client.answered("3", skips=True)) == 1
    assert client.open


def test_an_answer_answers_nothing_else_if_clients_skip_no_response() -> None:
    client = channel("a")
    for number in "123":
        client.record(response(number, "a"), 0.0)

    answered = client.answered("2", skips=False)

    assert [sent.response.nonce for sent in answered] == ["2"]
    assert list(client.pending) == ["1", "3"]
    assert not client.open


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
    client, content = answered("a", "b"), snapshot({"a": "", "b": ""})

    hold_or_suspect(client, Sent(response("1", "b", "a", content=content), 0.0, 1), NO)
    hold_or_suspect(client, Sent(response("2", "a", content=content), 0.0, 1), NO)

    assert drained(client.suspects) == groups("a", "b")
    assert client.held == {"a": Held(content.resources(ENDPOINT.url)["a"].version, NO)}
    assert client.without_held(frozenset({"a", "b"}), content) == {"b"}


def test_the_reason_is_that_of_the_last_rejected_content_that_is_still_served() -> None:
    client, content = channel("a", "b", "c"), snapshot({"a": "", "b": "", "c": ""})
    for name in "abc":
        client.hold(frozenset(name), content, Rejection(name, "1"))

    mended = content.replace(ENDPOINT.url, removed=["c"])

    assert client.rejection(content) == Rejection("c", "1")
    assert client.rejection(mended) == Rejection("b", "1")
    assert client.rejection(snapshot({})) is None


def test_what_is_accepted_after_all_is_not_held_but_what_replaces_it_may_be() -> None:
    client, content = channel("a", "b"), snapshot({"a": "", "b": ""})
    client.hold(frozenset("ab"), content, NO)
    fallback = content.replace(ENDPOINT.url, [assignment("b", "old")])

    client.accept(Sent(response("1", "a", "b", content=fallback), 0.0, 1))

    assert client.held.keys() == {"b"}


def test_the_version_that_is_accepted_late_does_not_hide_the_newest() -> None:
    client, older, newer = channel("a"), snapshot({"a": ""}), snapshot({"a": ""}, {"a": "new"})

    client.accept(Sent(response("2", "a", content=newer), 0.0, 2))
    client.accept(Sent(response("1", "a", content=older), 0.0, 1))

    assert client.version_acked == newer.version(ENDPOINT.url)


def test_the_messages_of_many_rejections_are_shortened() -> None:
    content = snapshot(dict.fromkeys(map(str, range(1000)), ""))
    client = channel(*content.names(ENDPOINT.url))

    for name in sorted(content.names(ENDPOINT.url)):
        client.hold(frozenset({name}), content, Rejection("x" * 1024, "1"))

    assert sum(len(held.rejection.message) for held in client.held.values()) < 200_000


def test_what_was_given_up_before_it_was_rejected_alone_is_not_held() -> None:
    client, content = channel("a", "b"), snapshot({"a": "", "b": ""})

    client.resubscribe(Subscription(frozenset("b")), frozenset())
    hold_or_suspect(client, Sent(response("1", "a", content=content), 0.0, 1), NO)

    assert client.held == {}
    assert client.rejection(content) is None


def test_a_rejection_counts_until_the_last_suspect_is_accepted_or_given_up() -> None:
    client, content = channel("a", "b"), snapshot({"a": "", "b": ""})
    hold_or_suspect(client, Sent(response("1", "a", "b", content=content), 0.0, 1), NO)

    for name in "ab":
        client.suspects.next()
        assert client.rejection(content) == NO
        client.accept(Sent(response(name, name, content=content), 0.0, 1))
    accepted = client.rejection(content)
    hold_or_suspect(client, Sent(response("2", "a", "b", content=content), 0.0, 1), NO)
    client.resubscribe(Subscription(), frozenset())

    assert accepted is None
    assert client.rejection(content) is None


def test_what_is_given_up_or_sent_anyway_is_no_suspect() -> None:
    client = channel(*"abcd")
    client.suspects.halve(frozenset("abcd"))

    client.settle(Generation(1, snapshot({})), frozenset("a"))
    client.resubscribe(Subscription(frozenset("ab")), frozenset())

    assert drained(client.suspects) == groups("b")


def test_what_was_given_up_before_it_was_rejected_is_no_suspect() -> None:
    client, content = channel("a", "b", "c"), snapshot({"a": "", "b": "", "c": ""})

    client.resubscribe(Subscription(frozenset("c")), frozenset())
    hold_or_suspect(client, Sent(response("1", "a", "b", "c", content=content), 0.0, 1), NO)

    assert drained(client.suspects) == groups("c")


def test_what_is_given_up_is_not_held() -> None:
    client = channel("a", "b")
    client.held = {"a": Held("1", NO), "b": Held("1", NO)}

    client.resubscribe(Subscription(frozenset("b")), frozenset())

    assert client.held == {"b": Held("1", NO)}


def test_a_rejection_is_forgotten_when_the_content_has_changed() -> None:
    client = channel("a")
    client.held = {"a": Held("old", NO)}

    assert client.without_held(frozenset({"a"}), snapshot({"a": ""})) == {"a"}
    assert client.held == {}


def test_a_name_without_a_resource_can_be_held_too() -> None:
    client = answered("a")
    hold_or_suspect(client, Sent(response("1", "a"), 0.0, 1), NO)

    assert client.without_held(frozenset({"a"}), snapshot({})) == set()
    assert client.without_held(frozenset({"a"}), snapshot({"a": ""})) == {"a"}


def test_what_was_asked_for_again_before_it_was_rejected_is_answered_once_more() -> None:
    client, content = answered("a", "b"), snapshot({"a": "bad"})

    client.resubscribe(Subscription(frozenset("ab")), frozenset("a"))
    hold_or_suspect(client, Sent(response("1", "a", content=content), 0.0, 1), NO)
    assert client.without_held(client.owed, content) == {"a"}

    client.settle(Generation(2, content), frozenset("a"))
    hold_or_suspect(client, Sent(response("2", "a", content=content), 0.0, 1), NO)
    assert client.without_held(frozenset("a"), content) == set()
