"""Rejections of complete responses: the rules that an Envoy test cannot reach one by one."""

from collections.abc import Iterable
from itertools import pairwise

import pytest

from xds import CLUSTER, ENDPOINT, TYPES, Resource, Snapshot, SnapshotCache
from xds.message import Request, Response
from xds.standing import Progress
from xds.stream import WINDOW_TIMEOUT, Acceptances, StateOfTheWorld, Stream, sotw

KNOWN_ELSEWHERE = "what another server called what the client has"


def snapshot(versions: dict[str, str]) -> Snapshot:
    """Clusters by name and version; their content is of no importance here."""
    clusters = [Resource(name, b"", version, requires=(name,)) for name, version in versions.items()]
    return Snapshot().replace(CLUSTER.url, clusters)


class Clusters:
    """A client that asks for all clusters, or for those named, and its stream."""

    def __init__(
        self,
        content: dict[str, str],
        *,
        names: Iterable[str] = (),
        version: str = "",
        acceptances: Acceptances | None = None,
    ) -> None:
        self.cache = SnapshotCache()
        self.stream = Stream(StateOfTheWorld(acceptances), TYPES, aggregated=True)
        self.names = frozenset(names)
        self.version = version
        self.publish(**content)
        self.stream.receive(Request(type_url=CLUSTER.url, names=self.names, version=version), 0.0)

    def publish(self, **clusters: str) -> None:
        self.cache.set(snapshot(clusters))

    def ask(self, *names: str) -> None:
        self.names = frozenset(names)
        self.stream.receive(Request(type_url=CLUSTER.url, names=self.names), 0.0)

    def next(self) -> Response | None:
        return self.stream.next(self.cache, 0.0)

    def answer(self, response: Response | None, error: str | None = None) -> None:
        assert response is not None
        if error is None:
            self.version = response.version
        self.stream.receive(
            Request(type_url=CLUSTER.url, names=self.names, version=self.version, nonce=response.nonce, error=error),
            0.0,
        )

    def judge(self) -> list[dict[str, str]]:
        """Answer as an Envoy that rejects any response with something bad in it, until there is no more."""
        judged = []
        while response := self.next():
            judged.append(contents(response))
            self.answer(response, "no" if "bad" in judged[-1].values() else None)
        return judged

    def accept(self) -> dict[str, str]:
        response = self.next()
        self.answer(response)
        return contents(response)

    def reject(self) -> dict[str, str]:
        response = self.next()
        self.answer(response, "no")
        return contents(response)


def contents(response: Response | None) -> dict[str, str]:
    assert response is not None
    known = response.snapshot.resources(CLUSTER.url)
    return {name: known[name].version for name in response.names}


def good(judged: list[dict[str, str]]) -> list[dict[str, str]]:
    return [content for content in judged if "bad" not in content.values()]


def test_a_client_that_may_have_more_is_sent_no_part_of_a_rejected_response() -> None:
    client = Clusters({"a": "1", "b": "bad"}, version=KNOWN_ELSEWHERE)
    client.reject()
    (rejecting,) = client.stream.standings(client.cache, 0.0)

    assert client.next() is None
    assert rejecting.progress is Progress.REJECTED
    client.publish(a="1", b="2")

    assert client.accept() == {"a": "1", "b": "2"}


def version(**clusters: str) -> str:
    return snapshot(clusters).version(CLUSTER.url)


def test_a_client_that_comes_back_with_what_others_accepted_gets_all_but_the_bad_one() -> None:
    acceptances = Acceptances()
    Clusters({"a": "1", "b": "1", "gone": "1"}, acceptances=acceptances).accept()
    client = Clusters(
        {"a": "2", "b": "bad", "c": "1"}, version=version(a="1", b="1", gone="1"), acceptances=acceptances
    )

    judged = client.judge()
    client.publish(a="3", b="bad", c="1")

    assert good(judged)[-1] == {"a": "2", "b": "1", "c": "1"}
    assert all({"a", "b"} <= content.keys() for content in judged)
    assert client.accept() == {"a": "3", "b": "1", "c": "1"}


def test_a_client_that_comes_back_with_a_fallback_keeps_it() -> None:
    acceptances = Acceptances()
    before = Clusters({"a": "1", "b": "1"}, acceptances=acceptances)
    before.accept()
    before.publish(a="1", b="bad")
    before.reject()
    before.publish(a="2", b="bad")
    before.accept()
    client = Clusters({"a": "2", "b": "bad"}, version=before.version, acceptances=acceptances)
    client.reject()

    assert client.next() is None
    client.publish(a="3", b="bad")

    assert client.accept() == {"a": "3", "b": "1"}


def test_a_client_that_lacks_nothing_but_the_bad_one_is_known_without_having_been_seen() -> None:
    client = Clusters({"a": "1", "b": "1", "new": "bad"}, version=version(a="1", b="1"))
    client.reject()

    assert client.next() is None
    client.publish(a="2", c="1", new="bad")
    judged = client.judge()

    assert good(judged)[-1] == {"a": "2", "c": "1"}


def test_a_client_that_comes_back_with_nothing_is_known_by_the_version_of_nothing() -> None:
    acceptances = Acceptances()
    Clusters({}, acceptances=acceptances).accept()
    client = Clusters({"a": "1", "b": "bad"}, version=version(), acceptances=acceptances)

    judged = client.judge()

    assert good(judged)[-1] == {"a": "1"}


def test_a_version_that_stands_for_more_than_was_asked_for_proves_nothing() -> None:
    acceptances = Acceptances()
    Clusters({"a": "1", "b": "1"}, names=["a"], acceptances=acceptances).accept()
    client = Clusters({"a": "2", "b": "bad"}, version=version(a="1", b="1"), acceptances=acceptances)
    client.reject()

    assert client.next() is None


def test_a_client_that_asks_for_names_proves_nothing_by_a_version() -> None:
    acceptances = Acceptances()
    Clusters({"a": "1", "b": "1"}, acceptances=acceptances).accept()
    content = {"a": "2", "b": "bad"}
    client = Clusters(content, names=["a", "b"], version=version(a="1", b="1"), acceptances=acceptances)
    client.reject()

    assert client.next() is None


def test_a_client_that_has_nothing_gets_what_is_good_in_a_rejected_response() -> None:
    client = Clusters({"a": "1", "b": "1", "c": "bad", "d": "1"})

    judged = client.judge()
    client.publish(a="1", b="1", c="3", d="1")

    assert judged[0] == {"a": "1", "b": "1", "c": "bad", "d": "1"}
    assert good(judged)[-1] == {"a": "1", "b": "1", "d": "1"}
    assert client.accept() == {"a": "1", "b": "1", "c": "3", "d": "1"}


def test_a_client_that_has_nothing_keeps_each_good_half_it_got() -> None:
    many = {f"s{number:02}": "1" for number in range(16)} | {"s05": "bad"}

    accepted = good(Clusters(many).judge())

    assert len(accepted) >= 4
    assert all(before.keys() < after.keys() for before, after in pairwise(accepted))


@pytest.mark.parametrize("bad", ["s000", "s500", "s999"])
def test_one_bad_cluster_among_a_thousand_is_found_in_few_tries(bad: str) -> None:
    many = {f"s{number:03}": "1" for number in range(1000)}
    client = Clusters(many | {bad: "bad"})

    judged = client.judge()

    assert good(judged)[-1].keys() == many.keys() - {bad}
    assert len(judged) <= 1 + 2 * 10


def test_a_client_without_anything_good_is_left_alone_after_a_while() -> None:
    client = Clusters({f"s{number:03}": "bad" for number in range(1000)})

    assert len(client.judge()) == 1 + sotw._MAX_TRIES
    assert client.next() is None


def test_each_change_gets_tries_of_its_own() -> None:
    bad = {f"s{number:03}": "bad" for number in range(1000)}
    client = Clusters(bad)
    client.judge()

    client.publish(**bad, x="1", y="bad")

    assert good(client.judge())[-1] == {"x": "1"}


def test_a_rejected_change_is_held_at_what_the_client_has() -> None:
    client = Clusters({"a": "1", "b": "1"})
    client.accept()
    client.publish(a="1", b="bad")
    client.reject()

    assert client.next() is None
    client.publish(a="2", b="bad")

    assert client.accept() == {"a": "2", "b": "1"}


def test_a_new_bad_cluster_is_left_out() -> None:
    client = Clusters({"a": "1"})
    client.accept()
    client.publish(a="1", b="bad")
    client.reject()
    client.publish(a="2", b="bad")

    assert client.accept() == {"a": "2"}


def test_several_suspects_are_tried_by_halves() -> None:
    client = Clusters({"a": "1", "b": "1"})
    client.accept()
    client.publish(a="2", b="bad", c="2")
    client.reject()

    assert client.reject() == {"a": "2", "b": "bad"}
    assert client.accept() == {"a": "1", "b": "1", "c": "2"}
    assert client.accept() == {"a": "2", "b": "1", "c": "2"}
    assert client.reject() == {"a": "2", "b": "bad", "c": "2"}
    assert client.next() is None


def test_a_bad_change_amid_the_tries_does_not_end_them() -> None:
    client = Clusters({"a": "1", "b": "1", "c": "1", "d": "1"})
    client.accept()
    client.publish(a="bad", b="2", c="1", d="1")
    client.reject()
    client.publish(a="bad", b="2", c="bad", d="2")

    judged = client.judge()

    assert good(judged)[-1] == {"a": "1", "b": "2", "c": "1", "d": "2"}


def test_what_was_accepted_without_a_word_is_not_taken_away_to_find_what_is_bad() -> None:
    client = Clusters({"a": "1", "d": "1"})
    silent = client.next()
    assert silent is not None
    client.stream.expire(WINDOW_TIMEOUT)
    client.publish(a="1", b="bad", c="1", d="1")
    second = client.next()
    assert second is not None

    request = Request(type_url=CLUSTER.url, version=silent.version, nonce=second.nonce, error="no")
    client.stream.receive(request, 0.0)
    judged = client.judge()

    assert good(judged)[-1] == {"a": "1", "c": "1", "d": "1"}
    assert all({"a", "d"} <= content.keys() for content in judged)


def test_what_was_not_asked_for_when_all_else_was_accepted_is_a_suspect() -> None:
    client = Clusters({"a": "1", "b": "bad"}, names=["a"])
    client.accept()
    client.ask("a", "b")
    client.reject()

    client.publish(a="2", b="bad")

    assert client.accept() == {"a": "2"}


def test_what_was_given_up_is_not_taken_for_had_when_it_is_asked_for_again() -> None:
    client = Clusters({"a": "1", "b": "bad"}, names=["a"])
    client.accept()

    client.ask()
    client.ask("*", "a")

    assert {"a": "1"} in client.judge()


def test_what_was_given_up_before_it_was_accepted_is_not_taken_for_had() -> None:
    client = Clusters({"a": "1", "b": "bad"}, names=["a"])
    late = client.next()

    client.ask()
    client.answer(late)
    client.ask("*", "a")

    assert {"a": "1"} in client.judge()


@pytest.mark.parametrize(("first", "then"), [("", "bad good"), ("", "good"), ("bad good", "*")])
def test_what_is_asked_for_while_a_rejected_response_is_under_way_gets_through(first: str, then: str) -> None:
    client = Clusters({"bad": "bad", "good": "1"}, names=first.split())
    crossed = client.next()
    client.ask(*then.split())
    client.answer(crossed, "no")

    assert good(client.judge())[-1] == {"good": "1"}


def test_removals_in_a_rejected_response_are_told_without_the_bad_cluster() -> None:
    client = Clusters({"a": "1", "b": "1", "gone": "1"})
    client.accept()
    client.publish(a="1", b="bad")
    client.reject()

    assert client.accept() == {"a": "1", "b": "1"}
    assert client.next() is None


def test_removals_told_again_wake_no_assignments_but_those_of_what_was_rejected() -> None:
    client = Clusters({"a": "1", "b": "1", "gone": "1"})
    client.accept()
    client.stream.receive(Request(type_url=ENDPOINT.url, names=frozenset({"a", "b"})), 0.0)
    assignments = client.next()
    assert assignments is not None
    client.publish(a="1", b="bad")
    client.reject()

    client.accept()
    client.stream.receive(Request(type_url=ENDPOINT.url, names=frozenset({"a", "b"}), nonce=assignments.nonce), 0.0)
    owed = client.next()

    assert owed is not None
    assert owed.names == {"b"}


def test_repaired_content_is_sent() -> None:
    client = Clusters({"a": "1", "b": "1"})
    client.accept()
    client.publish(a="1", b="bad")
    client.reject()
    client.publish(a="1", b="3")

    assert client.accept() == {"a": "1", "b": "3"}


def test_the_version_of_a_response_is_that_of_its_content() -> None:
    client = Clusters({"a": "1", "b": "1"})
    client.accept()
    client.publish(a="1", b="bad")
    client.reject()
    client.publish(a="2", b="bad")

    response = client.next()

    assert response is not None
    assert response.version == snapshot({"a": "2", "b": "1"}).version(CLUSTER.url)


@pytest.mark.parametrize(("names", "skipped"), [([], True), (["*"], True), (["a"], False), (["*", "a"], False)])
def test_an_equal_version_saves_the_answer_to_who_asks_for_everything_only(names: list[str], skipped: bool) -> None:
    cache, content = SnapshotCache(), snapshot({"a": ""})
    cache.set(content)
    stream = Stream(StateOfTheWorld(), TYPES, aggregated=True)
    version = content.version(CLUSTER.url)

    stream.receive(Request(type_url=CLUSTER.url, names=frozenset(names), version=version), 0.0)

    assert (stream.next(cache, 0.0) is None) is skipped


def test_what_a_client_claims_is_believed_in_its_first_request_only() -> None:
    client = Clusters({"a": "1"})
    client.accept()
    client.publish(a="2")
    version = snapshot({"a": "2"}).version(CLUSTER.url)

    client.stream.receive(Request(type_url=CLUSTER.url, version=version), 0.0)

    assert client.accept() == {"a": "2"}
