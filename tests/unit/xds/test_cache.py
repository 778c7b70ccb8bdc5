import weakref
from dataclasses import replace

import pytest

from support.xds_content import assignment, snapshot
from xds import CLUSTER, ENDPOINT, Snapshot, SnapshotCache
from xds import cache as cache_module
from xds.cache import Generation
from xds.message import Response


def generation(cache: SnapshotCache) -> Generation:
    current = cache.generation
    assert current is not None
    return current


def response(content: Snapshot, nonce: str = "1.0.0", names: frozenset[str] = frozenset({"a"})) -> Response:
    return Response(type=ENDPOINT, nonce=nonce, snapshot=content, names=names)


def test_there_is_nothing_before_the_first_snapshot() -> None:
    cache = SnapshotCache()

    assert cache.snapshot is None
    assert cache.generation is None
    with pytest.raises(ValueError, match="no snapshot yet"):
        cache.changes(Generation(1, Snapshot()), CLUSTER.url)


def test_an_empty_first_snapshot_is_a_snapshot() -> None:
    cache = SnapshotCache()

    cache.set(Snapshot())

    assert generation(cache).number == 1


def test_watchers_are_told_of_changes_and_only_of_changes() -> None:
    cache, told = SnapshotCache(), list[int]()
    unwatch = cache.watch(told.append)

    cache.set(snapshot({"a": ""}))
    cache.set(snapshot({"a": ""}))
    cache.set(snapshot({"a": "new"}))
    unwatch()
    cache.set(snapshot({}))

    assert told == [1, 2]


def test_a_generation_takes_the_number_it_is_given() -> None:
    cache, told = SnapshotCache(), list[int]()
    cache.watch(told.append)

    published = [cache.set(snapshot({"a": content}), number) for content, number in (("1", 3), ("1", 4), ("2", 7))]

    assert published == [True, False, True]
    assert told == [3, 7]


def test_what_changed_is_known_across_gaps_in_the_numbers() -> None:
    cache = SnapshotCache()
    cache.set(snapshot({"a": "", "b": ""}), 2)
    old = generation(cache)

    cache.set(snapshot({"a": "new", "b": ""}), 5)
    cache.set(snapshot({"a": "new", "b": "", "c": ""}), 9)

    assert cache.changes(old, CLUSTER.url) == {"a", "c"}


def test_what_changed_is_taken_from_whoever_knows_it() -> None:
    cache = SnapshotCache()
    cache.set(snapshot({"a": "", "b": ""}))
    since, told = generation(cache), list[int]()
    cache.watch(told.append)

    nothing = cache.set(snapshot({"a": "", "b": ""}), changed={CLUSTER.url: set()})
    something = cache.set(snapshot({"a": "new", "b": ""}), changed={CLUSTER.url: {"a"}})

    assert (nothing, something, told) == (False, True, [2])
    assert cache.changes(since, CLUSTER.url) == {"a"}
    assert cache.changes(since, ENDPOINT.url) == set()


def test_changes_are_the_sum_of_all_that_happened_since() -> None:
    cache = SnapshotCache()
    cache.set(snapshot({"a": "", "b": "", "c": ""}))
    since = generation(cache)

    cache.set(snapshot({"a": "new", "b": "", "c": ""}))
    cache.set(snapshot({"a": "new", "b": ""}))

    assert cache.changes(since, CLUSTER.url) == {"a", "c"}
    assert cache.changes(generation(cache), CLUSTER.url) == set()


def test_what_changed_back_did_not_change() -> None:
    cache = SnapshotCache()
    cache.set(snapshot({"a": ""}))
    since = generation(cache)

    cache.set(snapshot({"a": "other", "b": ""}))
    cache.set(snapshot({"a": ""}))

    assert cache.changes(since, CLUSTER.url) == set()


def test_changes_are_known_however_long_ago_it_was() -> None:
    cache = SnapshotCache()
    cache.set(snapshot({"a": "0", "b": ""}))
    since = generation(cache)

    for number in range(1, cache_module._HISTORY + 10):
        cache.set(snapshot({"a": str(number), "b": ""}))

    assert cache.changes(since, CLUSTER.url) == {"a"}


def test_changes_are_found_out_once_for_all_streams() -> None:
    cache = SnapshotCache()
    cache.set(snapshot({"a": ""}))
    since = generation(cache)
    cache.set(snapshot({"a": "new"}))

    assert cache.changes(since, CLUSTER.url) is cache.changes(since, CLUSTER.url)


def test_equal_responses_are_one_object() -> None:
    cache, content = SnapshotCache(), snapshot({"a": "", "b": ""})
    cache.set(content)

    first = cache.encode(response(content))

    assert cache.encode(response(content)) is first
    assert cache.encode(response(content, names=frozenset({"b"}))) != first
    assert cache.encode(response(content, nonce="1.0.1")) != first


def test_equal_content_is_one_object_whichever_snapshot_it_comes_from() -> None:
    cache, content = SnapshotCache(), snapshot({"a": ""})
    cache.set(content)
    bad = content.replace(ENDPOINT.url, [assignment("a", "bad")])

    ours = [cache.encode(response(bad.replace(ENDPOINT.url, [assignment("a", "")]))) for _ in range(2)]

    assert ours[0] is ours[1] is cache.encode(response(content))


def test_variants_do_not_share_responses() -> None:
    cache, content = SnapshotCache(), snapshot({"a": ""})
    cache.set(content)
    complete = response(content)

    assert cache.encode(complete) != cache.encode(replace(complete, incremental=True))


def test_history_does_not_keep_old_snapshots() -> None:
    class WatchedSnapshot(Snapshot):
        __slots__ = ("__weakref__",)

    cache, old = SnapshotCache(), WatchedSnapshot()
    cache.set(old)
    seen = weakref.ref(old)

    cache.set(snapshot({"a": ""}))
    del old

    assert seen() is None


def test_types_do_not_share_responses() -> None:
    cache, content = SnapshotCache(), snapshot({"a": ""})
    cache.set(content)

    assignments = cache.encode(response(content))
    clusters = cache.encode(Response(type=CLUSTER, nonce="1.0.0", snapshot=content, names=frozenset({"a"})))

    assert CLUSTER.url.encode() in clusters
    assert CLUSTER.url.encode() not in assignments


def test_a_response_from_another_snapshot_is_not_mistaken_for_one_of_the_current() -> None:
    cache, content = SnapshotCache(), snapshot({"a": ""})
    cache.set(content)
    current = cache.encode(response(content))

    with_fallback = cache.encode(response(content.replace(ENDPOINT.url, [assignment("a", "older")])))

    assert with_fallback != current
    assert cache.encode(response(content)) is current


def test_shared_responses_are_bounded() -> None:
    cache, content = SnapshotCache(), snapshot({"a": ""})
    cache.set(content)

    for number in range(cache_module._SHARED_RESPONSES + 10):
        cache.encode(response(content, nonce=str(number)))

    assert len(cache._responses._bodies) == cache_module._SHARED_RESPONSES
    assert cache._responses._size == sum(cache_module._size(*each) for each in cache._responses._bodies.items())


def test_names_in_shared_responses_are_bounded_as_their_bytes_are() -> None:
    cache, content = SnapshotCache(), snapshot({})
    cache.set(content)
    most = cache_module._SHARED_BYTES // cache_module._NAME_BYTES

    for number in range(25):
        gone = frozenset(f"{number}-{each}" for each in range(most // 20))
        cache.encode(replace(response(content), names=frozenset(), removed=gone, incremental=True))

    assert 10 < len(cache._responses._bodies) < 20
    assert sum(len(removed) for *_, removed in cache._responses._bodies) < most


def test_a_missing_resource_without_a_placeholder_is_a_bug() -> None:
    cache, content = SnapshotCache(), snapshot({})
    cache.set(content)

    with pytest.raises(ValueError, match="no placeholder"):
        cache.encode(Response(type=CLUSTER, nonce="1", snapshot=content, names=frozenset({"a"})))
