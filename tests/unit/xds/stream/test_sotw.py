"""Rejections of complete responses: the rules that an Envoy test cannot reach one by one."""

import pytest

from support.xds_content import snapshot
from xds import CLUSTER, TYPES, SnapshotCache
from xds.message import Request, Response
from xds.stream import StateOfTheWorld, Stream


class Clusters:
    """A client that asks for all clusters, and its stream."""

    def __init__(self, **clusters: str) -> None:
        self.cache = SnapshotCache()
        self.stream = Stream(StateOfTheWorld(), TYPES, aggregated=True)
        self.publish(**clusters)
        self.stream.receive(Request(type_url=CLUSTER.url), 0.0)

    def publish(self, **clusters: str) -> None:
        self.cache.set(snapshot(clusters))

    def next(self) -> Response | None:
        return self.stream.next(self.cache, 0.0)

    def answer(self, response: Response | None, error: str | None = None) -> None:
        assert response is not None
        self.stream.receive(Request(type_url=CLUSTER.url, nonce=response.nonce, error=error), 0.0)

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
    by_version = {
        resource.version: content
        for content in ("1", "2", "3", "bad")
        for resource in snapshot(dict.fromkeys(known, content)).resources(CLUSTER.url).values()
    }
    return {name: by_version[known[name].version] for name in response.names}


def test_a_rejected_first_response_is_not_repeated_until_something_changes() -> None:
    client = Clusters(a="1", b="bad")
    client.reject()

    assert client.next() is None
    client.publish(a="1", b="2")

    assert client.accept() == {"a": "1", "b": "2"}


def test_a_rejected_change_is_held_at_what_the_client_has() -> None:
    client = Clusters(a="1", b="1")
    client.accept()
    client.publish(a="1", b="bad")
    client.reject()

    assert client.next() is None
    client.publish(a="2", b="bad")

    assert client.accept() == {"a": "2", "b": "1"}


def test_a_new_bad_cluster_is_left_out() -> None:
    client = Clusters(a="1")
    client.accept()
    client.publish(a="1", b="bad")
    client.reject()
    client.publish(a="2", b="bad")

    assert client.accept() == {"a": "2"}


def test_several_suspects_are_tried_one_by_one() -> None:
    client = Clusters(a="1", b="1")
    client.accept()
    client.publish(a="2", b="bad", c="2")
    client.reject()

    assert client.accept() == {"a": "2", "b": "1"}
    assert client.reject() == {"a": "2", "b": "bad"}
    assert client.accept() == {"a": "2", "b": "1", "c": "2"}
    assert client.next() is None


def test_many_suspects_are_not_tried_one_by_one() -> None:
    many = {f"s{number}": "1" for number in range(20)}
    client = Clusters(**many)
    client.accept()
    client.publish(**dict.fromkeys(many, "bad"))
    client.reject()

    assert client.next() is None


def test_removals_in_a_rejected_response_are_told_without_the_bad_cluster() -> None:
    client = Clusters(a="1", b="1", gone="1")
    client.accept()
    client.publish(a="1", b="bad")
    client.reject()

    assert client.accept() == {"a": "1", "b": "1"}
    assert client.next() is None


def test_repaired_content_is_sent() -> None:
    client = Clusters(a="1", b="1")
    client.accept()
    client.publish(a="1", b="bad")
    client.reject()
    client.publish(a="1", b="3")

    assert client.accept() == {"a": "1", "b": "3"}


def test_the_version_of_a_response_is_that_of_its_content() -> None:
    client = Clusters(a="1", b="1")
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
    client = Clusters(a="1")
    client.accept()
    client.publish(a="2")
    version = snapshot({"a": "2"}).version(CLUSTER.url)

    client.stream.receive(Request(type_url=CLUSTER.url, version=version), 0.0)

    assert client.accept() == {"a": "2"}
