import pytest

from support.xds_content import assignment, cluster, snapshot
from xds import CLUSTER, ENDPOINT, TYPES, SnapshotCache
from xds.message import DeltaRequest, Response
from xds.standing import Progress
from xds.stream import Acknowledgement, Incremental, Stream
from xds.subscription import NameSets


@pytest.fixture
def cache() -> SnapshotCache:
    cache = SnapshotCache()
    cache.set(snapshot({"a": "", "b": ""}))
    return cache


@pytest.fixture
def stream() -> Stream[DeltaRequest]:
    return Stream(Incremental(NameSets()), TYPES, aggregated=True)


def required(response: Response | None) -> Response:
    assert response is not None
    return response


def said(response: Response) -> tuple[set[str], set[str]]:
    """Names that are sent, and names that are gone."""
    return set(response.names), set(response.removed)


def test_a_removal_in_a_rejected_response_is_told_again(stream: Stream[DeltaRequest], cache: SnapshotCache) -> None:
    stream.receive(DeltaRequest(type_url=CLUSTER.url), 0.0)
    first = required(stream.next(cache, 0.0))
    stream.receive(DeltaRequest(type_url=CLUSTER.url, nonce=first.nonce), 0.0)
    cache.set(snapshot({"a": "bad"}))
    mixed = required(stream.next(cache, 0.0))

    stream.receive(DeltaRequest(type_url=CLUSTER.url, nonce=mixed.nonce, error="no"), 0.0)
    again = required(stream.next(cache, 0.0))

    assert said(mixed) == ({"a"}, {"b"})
    assert said(again) == (set(), {"b"})


def test_a_rejected_removal_alone_is_not_repeated(stream: Stream[DeltaRequest], cache: SnapshotCache) -> None:
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"missing"})), 0.0)
    first = required(stream.next(cache, 0.0))

    stream.receive(DeltaRequest(type_url=ENDPOINT.url, nonce=first.nonce, error="no"), 0.0)

    assert stream.next(cache, 0.0) is None


def test_each_response_has_its_own_answer(stream: Stream[DeltaRequest], cache: SnapshotCache) -> None:
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"a"})), 0.0)
    first = required(stream.next(cache, 0.0))
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"b"})), 0.0)
    second = required(stream.next(cache, 0.0))

    stream.receive(DeltaRequest(type_url=ENDPOINT.url, nonce=second.nonce), 1.0)
    late = stream.receive(DeltaRequest(type_url=ENDPOINT.url, nonce=first.nonce, error="no"), 2.0)

    assert isinstance(late, Acknowledgement)
    assert late.error == "no"
    (standing,) = stream.standings(cache, 2.0)
    assert standing.progress is Progress.REJECTED


def test_what_a_client_had_and_asks_for_no_more_is_not_told_to_be_gone(
    stream: Stream[DeltaRequest], cache: SnapshotCache
) -> None:
    star = frozenset({"*"})
    stream.receive(DeltaRequest(type_url=CLUSTER.url, subscribe=star, initial_versions={"gone": "1"}), 0.0)
    stream.receive(DeltaRequest(type_url=CLUSTER.url, unsubscribe=star), 0.0)

    assert said(required(stream.next(cache, 0.0))) == (set(), set())


def test_what_was_rejected_and_is_gone_is_forgotten(stream: Stream[DeltaRequest], cache: SnapshotCache) -> None:
    stream.receive(DeltaRequest(type_url=CLUSTER.url), 0.0)
    stream.receive(DeltaRequest(type_url=CLUSTER.url, nonce=required(stream.next(cache, 0.0)).nonce), 0.0)
    cache.set(snapshot({"a": "", "b": "bad"}))
    stream.receive(DeltaRequest(type_url=CLUSTER.url, nonce=required(stream.next(cache, 0.0)).nonce, error="no"), 0.0)

    cache.set(snapshot({"a": ""}))
    gone = required(stream.next(cache, 0.0))

    assert said(gone) == (set(), {"b"})
    channel = stream._channels[0]
    assert channel is not None
    assert channel.held == {}


def test_what_vanished_while_it_is_isolated_is_told_as_gone(stream: Stream[DeltaRequest], cache: SnapshotCache) -> None:
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"a", "b"})), 0.0)
    first = required(stream.next(cache, 0.0))
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, nonce=first.nonce, error="no"), 0.0)
    cache.set(snapshot({"b": ""}))

    gone = required(stream.next(cache, 0.0))
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, nonce=gone.nonce), 0.0)
    alone = required(stream.next(cache, 0.0))
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, nonce=alone.nonce), 0.0)

    assert said(gone) == (set(), {"a"})
    assert said(alone) == ({"b"}, set())
    assert stream.next(cache, 0.0) is None


def test_what_was_told_to_be_gone_before_it_was_rejected_is_not_in_the_way(
    stream: Stream[DeltaRequest], cache: SnapshotCache
) -> None:
    stream.receive(DeltaRequest(type_url=CLUSTER.url), 0.0)
    late = required(stream.next(cache, 0.0))
    cache.set(snapshot({}))
    stream.expire(6.0)
    gone = required(stream.next(cache, 6.0))
    stream.receive(DeltaRequest(type_url=CLUSTER.url, nonce=late.nonce, error="no"), 7.0)
    stream.receive(DeltaRequest(type_url=CLUSTER.url, nonce=gone.nonce), 7.0)

    assert stream.next(cache, 7.0) is None
    (standing,) = stream.standings(cache, 7.0)
    assert said(gone) == (set(), {"a", "b"})
    assert standing.progress is Progress.SYNCED


def test_held_versions_save_equal_clusters_but_not_those_asked_for_by_name(
    stream: Stream[DeltaRequest], cache: SnapshotCache
) -> None:
    held = {"a": cluster("a").version, "b": cluster("b").version}

    stream.receive(DeltaRequest(type_url=CLUSTER.url, subscribe=frozenset({"*", "a"}), initial_versions=held), 0.0)
    response = required(stream.next(cache, 0.0))

    assert response.names == {"a"}


def test_held_versions_do_not_save_what_a_client_may_wait_for(
    stream: Stream[DeltaRequest], cache: SnapshotCache
) -> None:
    held = {"a": assignment("a").version, "b": assignment("b").version}

    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"*"}), initial_versions=held), 0.0)

    assert said(required(stream.next(cache, 0.0))) == ({"a", "b"}, set())


def test_held_versions_of_what_is_not_subscribed_mean_nothing(
    stream: Stream[DeltaRequest], cache: SnapshotCache
) -> None:
    request = DeltaRequest(
        type_url=ENDPOINT.url, subscribe=frozenset({"a"}), initial_versions={"a": "any", "ghost": "any"}
    )

    stream.receive(request, 0.0)
    response = required(stream.next(cache, 0.0))

    assert said(response) == ({"a"}, set())


def test_names_that_reconnected_streams_share_are_one_object(cache: SnapshotCache) -> None:
    sets = NameSets()
    streams = [Stream(Incremental(sets), TYPES, aggregated=True) for _ in range(2)]
    for stream in streams:
        stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"a"})), 0.0)
        stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"b"})), 0.0)

    one, other = (stream._channels[1] for stream in streams)

    assert one is not None
    assert other is not None
    assert one.wants.names is other.wants.names
