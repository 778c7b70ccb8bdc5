"""How far a client is with the resource of one name, while it is fine or not with the others."""

import pytest

from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, TYPES, Progress, SnapshotCache
from xds.message import DeltaRequest, Request, Response
from xds.stream import Incremental, StateOfTheWorld, Stream
from xds.subscription import NameSets


@pytest.fixture
def cache() -> SnapshotCache:
    cache = SnapshotCache()
    cache.set(snapshot({"a": "", "b": ""}))
    return cache


@pytest.fixture
def stream() -> Stream[DeltaRequest]:
    stream = Stream(Incremental(NameSets()), TYPES, aggregated=True)
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset("ab")), 0.0)
    return stream


def sent(stream: Stream[DeltaRequest], cache: SnapshotCache) -> Response:
    response = stream.next(cache, 0.0)
    assert response is not None
    return response


def answer(stream: Stream[DeltaRequest], response: Response, error: str | None = None) -> None:
    stream.receive(DeltaRequest(type_url=response.type.url, nonce=response.nonce, error=error), 0.0)


def progress(stream: Stream[DeltaRequest], cache: SnapshotCache | None, name: str) -> Progress:
    [receipt] = stream.receipts(cache, name)
    assert receipt.type_url == ENDPOINT.url
    return receipt.progress


def test_what_was_not_asked_for_has_no_receipt(stream: Stream[DeltaRequest], cache: SnapshotCache) -> None:
    assert stream.receipts(cache, "c") == ()


def test_a_name_is_not_sent_then_on_its_way_then_there(stream: Stream[DeltaRequest], cache: SnapshotCache) -> None:
    assert progress(stream, None, "a") is Progress.NOT_SENT
    assert progress(stream, cache, "a") is Progress.NOT_SENT
    response = sent(stream, cache)
    assert progress(stream, cache, "a") is Progress.BEHIND

    answer(stream, response)

    assert progress(stream, cache, "a") is Progress.SYNCED


def test_a_change_of_one_name_leaves_the_others_there(stream: Stream[DeltaRequest], cache: SnapshotCache) -> None:
    answer(stream, sent(stream, cache))

    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))

    assert (progress(stream, cache, "a"), progress(stream, cache, "b")) == (Progress.BEHIND, Progress.SYNCED)
    response = sent(stream, cache)
    assert (progress(stream, cache, "a"), progress(stream, cache, "b")) == (Progress.BEHIND, Progress.SYNCED)
    answer(stream, response, "bad weight")
    [receipt] = stream.receipts(cache, "a")
    assert (receipt.progress, receipt.rejection) == (Progress.REJECTED, "bad weight")
    assert progress(stream, cache, "b") is Progress.SYNCED


def test_while_it_is_not_known_which_was_bad_all_of_them_are_rejected(
    stream: Stream[DeltaRequest], cache: SnapshotCache
) -> None:
    answer(stream, sent(stream, cache), "one of them is bad")
    assert {progress(stream, cache, name) for name in "ab"} == {Progress.REJECTED}

    answer(stream, sent(stream, cache))
    answer(stream, sent(stream, cache), "this one")

    assert sorted(progress(stream, cache, name) for name in "ab") == [Progress.SYNCED, Progress.REJECTED]


def test_what_was_rejected_says_nothing_once_it_is_another(stream: Stream[DeltaRequest], cache: SnapshotCache) -> None:
    answer(stream, sent(stream, cache))
    cache.set(snapshot({"a": "", "b": ""}, {"a": "bad", "b": ""}))
    answer(stream, sent(stream, cache), "bad")

    cache.set(snapshot({"a": "", "b": ""}, {"a": "good", "b": ""}))

    assert progress(stream, cache, "a") is Progress.BEHIND
    answer(stream, sent(stream, cache))
    assert progress(stream, cache, "a") is Progress.SYNCED


def test_a_complete_response_is_rejected_for_the_cluster_in_it_that_was_new(cache: SnapshotCache) -> None:
    stream = Stream(StateOfTheWorld(), TYPES, aggregated=True)
    stream.receive(Request(type_url=CLUSTER.url), 0.0)
    first = stream.next(cache, 0.0)
    assert first is not None
    stream.receive(Request(type_url=CLUSTER.url, nonce=first.nonce, version=first.version), 0.0)
    cache.set(snapshot({"a": "", "b": "", "c": ""}))
    second = stream.next(cache, 0.0)
    assert second is not None

    stream.receive(Request(type_url=CLUSTER.url, nonce=second.nonce, version=first.version, error="c is bad"), 0.0)

    told = {name: stream.receipts(cache, name)[0] for name in "ac"}
    assert (told["c"].progress, told["c"].rejection) == (Progress.REJECTED, "c is bad")
    assert told["a"].progress is Progress.SYNCED
