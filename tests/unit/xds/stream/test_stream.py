import re

import pytest

from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, TYPES, SnapshotCache, TypeState
from xds.message import InvalidRequest, Request, Response
from xds.stream import WINDOW_TIMEOUT, Acknowledgement, StateOfTheWorld, Stream, Unsupported


@pytest.fixture
def cache() -> SnapshotCache:
    cache = SnapshotCache()
    cache.set(snapshot({"a": "", "b": ""}))
    return cache


@pytest.fixture
def stream() -> Stream[Request]:
    return Stream(StateOfTheWorld(), TYPES, aggregated=True)


def endpoints(*names: str, nonce: str = "", error: str | None = None) -> Request:
    return Request(type_url=ENDPOINT.url, names=frozenset(names), nonce=nonce, error=error)


def required(response: Response | None) -> Response:
    assert response is not None
    return response


def test_nothing_is_sent_without_a_request_or_without_a_snapshot(stream: Stream[Request], cache: SnapshotCache) -> None:
    assert stream.next(cache, 0.0) is None

    stream.receive(endpoints("a"), 0.0)

    assert not stream.due(SnapshotCache())
    assert stream.next(SnapshotCache(), 0.0) is None
    assert stream.due(cache)
    assert stream.next(cache, 0.0) is not None


def test_the_next_response_waits_for_the_answer_to_the_last(stream: Stream[Request], cache: SnapshotCache) -> None:
    stream.receive(endpoints("a"), 0.0)
    first = required(stream.next(cache, 0.0))
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))

    assert not stream.due(cache)
    assert stream.next(cache, 0.0) is None
    verdict = stream.receive(endpoints("a", nonce=first.nonce), 0.5)

    assert verdict == Acknowledgement(ENDPOINT.url, first.version, 0.5, None, generation=1)
    assert stream.due(cache)
    assert required(stream.next(cache, 0.5)).names == {"a"}


def test_an_answer_that_never_comes_is_not_waited_for(stream: Stream[Request], cache: SnapshotCache) -> None:
    stream.receive(endpoints("a"), 0.0)
    first = required(stream.next(cache, 0.0))
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))

    assert stream.expire(WINDOW_TIMEOUT - 0.1) == []
    assert stream.expire(WINDOW_TIMEOUT) == [ENDPOINT.url]
    assert stream.expire(WINDOW_TIMEOUT) == []
    required(stream.next(cache, WINDOW_TIMEOUT))

    late = stream.receive(endpoints("a", nonce=first.nonce), 7.0)
    assert isinstance(late, Acknowledgement)
    assert late.latency == 7.0


def test_an_answer_under_another_type_is_no_verdict_but_is_not_waited_for(
    stream: Stream[Request], cache: SnapshotCache
) -> None:
    stream.receive(Request(type_url=CLUSTER.url), 0.0)
    required(stream.next(cache, 0.0))
    stream.receive(endpoints("a"), 0.0)
    assignments = required(stream.next(cache, 0.0))
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))

    verdict = stream.receive(Request(type_url=CLUSTER.url, nonce=assignments.nonce, error="no"), 0.5)

    assert verdict is None
    assert required(stream.next(cache, 0.5)).names == {"a"}


def test_other_names_do_not_wait_for_an_answer(stream: Stream[Request], cache: SnapshotCache) -> None:
    stream.receive(endpoints("a"), 0.0)
    stream.next(cache, 0.0)

    stream.receive(endpoints("a", "b"), 0.0)

    assert required(stream.next(cache, 0.0)).names == {"b"}


def test_an_answer_counts_once(stream: Stream[Request], cache: SnapshotCache) -> None:
    stream.receive(endpoints("a"), 0.0)
    nonce = required(stream.next(cache, 0.0)).nonce

    verdicts = [stream.receive(endpoints("a", nonce=nonce), 0.0) for _ in range(2)]

    assert isinstance(verdicts[0], Acknowledgement)
    assert verdicts[1] is None
    assert not stream.unanswered


def test_a_late_rejection_holds_the_content_it_rejected(stream: Stream[Request], cache: SnapshotCache) -> None:
    stream.receive(endpoints("a"), 0.0)
    first = required(stream.next(cache, 0.0))
    stream.receive(endpoints("a", "b"), 0.0)
    required(stream.next(cache, 0.0))

    stream.receive(endpoints("a", "b", nonce=first.nonce, error="no"), 0.0)
    stream.receive(Request(type_url=CLUSTER.url), 0.0)
    clusters = required(stream.next(cache, 0.0))

    assert clusters.type is CLUSTER
    stream.expire(10.0)
    resent = required(stream.next(cache, 10.0))
    assert resent.names == {"b"}, "a was rejected, and its cluster does not change that"


def test_streams_in_the_same_state_get_the_same_bytes(cache: SnapshotCache) -> None:
    streams = [Stream(StateOfTheWorld(), TYPES, aggregated=True) for _ in range(3)]
    bodies = []
    for stream in streams:
        stream.receive(endpoints("a", "b"), 0.0)
        bodies.append(cache.encode(required(stream.next(cache, 0.0))))

    assert bodies[0] is bodies[1] is bodies[2]


def test_a_stream_that_a_change_does_not_concern_keeps_up_with_it(
    stream: Stream[Request], cache: SnapshotCache
) -> None:
    stream.receive(endpoints("a"), 0.0)
    nonce = required(stream.next(cache, 0.0)).nonce
    stream.receive(endpoints("a", nonce=nonce), 0.0)

    cache.set(snapshot({"a": "", "b": ""}, {"a": "", "b": "new"}))

    assert not stream.due(cache)
    channel = stream._channels[1]
    assert channel is not None
    assert channel.synced is cache.generation


def test_a_foreign_type_is_reported_once(stream: Stream[Request]) -> None:
    listener = Request(type_url="type.googleapis.com/envoy.config.listener.v3.Listener")

    outcomes = [stream.receive(listener, 0.0) for _ in range(2)]

    assert outcomes == [Unsupported(listener.type_url), None]


def test_foreign_types_are_remembered_up_to_a_limit(stream: Stream[Request]) -> None:
    outcomes = [stream.receive(Request(type_url=str(number)), 0.0) for number in range(100)]

    assert sum(outcome is not None for outcome in outcomes) == 16


def test_a_request_without_a_type_is_refused_on_an_aggregated_stream(stream: Stream[Request]) -> None:
    with pytest.raises(InvalidRequest, match="type_url is required"):
        stream.receive(Request(names=frozenset({"a"})), 0.0)


def test_a_stream_of_one_type_implies_it_and_refuses_others(cache: SnapshotCache) -> None:
    stream = Stream(StateOfTheWorld(), (ENDPOINT,), aggregated=False)

    stream.receive(Request(names=frozenset({"a"})), 0.0)

    assert required(stream.next(cache, 0.0)).names == {"a"}
    with pytest.raises(InvalidRequest, match="this stream serves"):
        stream.receive(Request(type_url=CLUSTER.url), 0.0)


def test_an_idle_stream_does_not_keep_old_snapshots(stream: Stream[Request], cache: SnapshotCache) -> None:
    stream.receive(endpoints("a"), 0.0)
    nonce = required(stream.next(cache, 0.0)).nonce

    stream.receive(endpoints("a", nonce=nonce), 0.0)

    channel = stream._channels[1]
    assert channel is not None
    assert channel.pending == {}


def test_another_table_of_types_is_served_by_the_same_stream() -> None:
    """The core knows the columns of the table, and none of its rows."""
    tables = [kind.url.replace("Cluster", "Thing") for kind in TYPES]
    thing = TYPES[0].__class__(
        url=tables[0],
        service="example.Things",
        stream_method="StreamThings",
        delta_method="DeltaThings",
        fetch_method="FetchThings",
        fetch_path="/v3/discovery:things",
        legacy_wildcard=True,
        full_state=False,
    )
    cache = SnapshotCache()
    cache.set(snapshot({}).replace(thing.url, snapshot({"x": ""}).resources(CLUSTER.url).values()))
    stream = Stream(StateOfTheWorld(), (thing,), aggregated=True)

    stream.receive(Request(type_url=thing.url), 0.0)

    assert required(stream.next(cache, 0.0)).names == {"x"}


def test_the_status_tells_what_was_asked_for_and_sent(stream: Stream[Request], cache: SnapshotCache) -> None:
    stream.receive(endpoints("a"), 0.0)
    response = required(stream.next(cache, 1.0))
    stream.receive(endpoints("a", nonce=response.nonce, error="no"), 2.0)

    (status,) = stream.status(cache, 5.0)

    assert (status.names, status.since, status.rejection) == (1, 4.0, "no")
    assert (status.version_sent, status.version_acked) == (response.version, "")


def state(stream: Stream[Request], cache: SnapshotCache | None) -> TypeState:
    (status,) = stream.status(cache, 5.0)
    return status.state


def test_the_state_tells_who_waits_for_whom(stream: Stream[Request], cache: SnapshotCache) -> None:
    stream.receive(endpoints("a"), 0.0)
    assert state(stream, None) is TypeState.WAITING
    assert state(stream, SnapshotCache()) is TypeState.WAITING
    assert state(stream, cache) is TypeState.WAITING

    response = required(stream.next(cache, 1.0))
    assert state(stream, cache) is TypeState.STALE
    stream.receive(endpoints("a", nonce=response.nonce), 2.0)
    assert state(stream, cache) is TypeState.SYNCED
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))
    assert state(stream, cache) is TypeState.WAITING
    bad = required(stream.next(cache, 3.0))
    stream.receive(endpoints("a", nonce=bad.nonce, error="no"), 4.0)
    assert state(stream, cache) is TypeState.ERROR


def test_the_status_tells_how_old_answers_and_questions_are(stream: Stream[Request], cache: SnapshotCache) -> None:
    stream.receive(endpoints("a"), 0.0)
    first = required(stream.next(cache, 1.0))
    (asked,) = stream.status(cache, 5.0)
    stream.receive(endpoints("a", nonce=first.nonce), 2.0)
    (answered,) = stream.status(cache, 5.0)

    assert (asked.acked, asked.unanswered) == (None, 4.0)
    assert (answered.acked, answered.unanswered) == (3.0, None)


def test_the_contents_name_what_is_asked_for_and_what_is_rejected(
    stream: Stream[Request], cache: SnapshotCache
) -> None:
    stream.receive(endpoints("a", "x"), 0.0)
    first = required(stream.next(cache, 1.0))
    stream.receive(endpoints("a", "x", nonce=first.nonce), 1.0)
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))
    bad = required(stream.next(cache, 2.0))
    stream.receive(endpoints("a", "x", nonce=bad.nonce, error="no"), 2.0)

    (found,) = stream.contents(cache)

    assert (found.asked, found.existing, found.wildcard) == (frozenset("ax"), frozenset("ab"), False)
    assert [(each.name, each.message) for each in found.rejected] == [("a", "no")]
    assert found.rejected[0].version == bad.snapshot.resources(ENDPOINT.url)["a"].version
    assert stream.contents(None)[0].existing == frozenset()


@pytest.mark.parametrize("size", [900, 3000, 100_000])
def test_of_a_long_message_the_reason_at_its_end_is_kept(cache: SnapshotCache, size: int) -> None:
    stream = Stream(StateOfTheWorld(), TYPES, aggregated=True, withhold=lambda text: text.replace("s3cret", "…"))
    stream.receive(Request(type_url=CLUSTER.url), 0.0)
    response = required(stream.next(cache, 0.0))
    message = f"cluster a: s3cret {'x' * size} s3cret\n: value is required"

    verdict = stream.receive(Request(type_url=CLUSTER.url, nonce=response.nonce, error=message), 0.0)

    assert isinstance(verdict, Acknowledgement)
    assert verdict.error is not None
    assert verdict.error.startswith("cluster a: … ")
    assert verdict.error.endswith(": value is required")
    assert "s3cret" not in verdict.error
    assert len(verdict.error) <= 1024
    assert [status.rejection for status in stream.status(cache, 0.0) if status.rejection] == [verdict.error]


@pytest.mark.parametrize("offset", range(0, 3000, 97))
def test_of_a_secret_that_is_cut_from_its_name_nothing_is_kept(cache: SnapshotCache, offset: int) -> None:
    withhold = re.compile(r'(?<=key: )"[^"]*"?').sub
    stream = Stream(StateOfTheWorld(), TYPES, aggregated=True, withhold=lambda text: withhold("…", text))
    stream.receive(Request(type_url=CLUSTER.url), 0.0)
    response = required(stream.next(cache, 0.0))
    key, after = "s3cret" * 500, "a" * (4096 - offset)
    message = f'name: "{"x" * 2100}"\nprivate {{\n  key: "{key}"\n}}\nca {{\n  text: "{after}"\n}}\n: value is required'

    verdict = stream.receive(Request(type_url=CLUSTER.url, nonce=response.nonce, error=message), 0.0)

    assert isinstance(verdict, Acknowledgement)
    assert verdict.error is not None
    assert "s3c" not in verdict.error
    assert "ret" not in verdict.error
    assert verdict.error.endswith(": value is required")
