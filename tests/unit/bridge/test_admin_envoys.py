"""`/api/v1/envoys/NODE`: one Envoy by the names of what it asks for and rejects."""

from bridge.admin.envoy import LISTED
from support.admin_bench import Bench
from support.admin_fakes import stream
from xds import CLUSTER, ENDPOINT, RejectedResource, TypeContents


async def contents(bench: Bench, *types: TypeContents) -> list[dict[str, object]]:
    bench.streams.connected = [stream(1, "web/1")]
    bench.streams.named = {"web/1": types}
    document = await bench.get("/api/v1/envoys/web/1")
    assert isinstance(document["streams"], list)
    (shown,) = document["streams"]
    assert (document["node"], shown["status"]["peer"]) == ("web/1", "ipv4:127.0.0.1:1")
    found: list[dict[str, object]] = shown["contents"]
    return found


async def test_one_envoy_is_shown_with_what_it_asks_for_and_rejects(bench: Bench) -> None:
    rejected = (RejectedResource("a", "v1", "no"),)
    of_clusters = TypeContents(
        type_url=CLUSTER.url, asked=frozenset(), existing=frozenset("ab"), wildcard=True, rejected=rejected
    )
    of_endpoints = TypeContents(
        type_url=ENDPOINT.url, asked=frozenset("axy"), existing=frozenset("ab"), wildcard=False, rejected=()
    )

    assert await contents(bench, of_clusters, of_endpoints) == [
        {
            "type_url": CLUSTER.url,
            "resources": 2,
            "unknown": [],
            "unknown_count": 0,
            "rejected": [{"name": "a", "version": "v1", "message": "no"}],
            "rejected_count": 1,
        },
        {
            "type_url": ENDPOINT.url,
            "resources": 1,
            "unknown": ["x", "y"],
            "unknown_count": 2,
            "rejected": [],
            "rejected_count": 0,
        },
    ]


async def test_of_very_many_names_a_hundred_are_shown_and_all_are_counted(bench: Bench) -> None:
    names = [f"{number:05}" for number in range(20_000)]
    rejected = tuple(RejectedResource(name, "v", "no") for name in names)
    many = TypeContents(
        type_url=ENDPOINT.url, asked=frozenset(names), existing=frozenset(), wildcard=False, rejected=rejected
    )

    (found,) = await contents(bench, many)

    assert (found["unknown"], found["unknown_count"]) == (names[:LISTED], 20_000)
    assert (len(found["rejected"]), found["rejected_count"]) == (LISTED, 20_000)  # type: ignore[arg-type]  # a list
    assert found["rejected"][-1]["name"] == "19999"  # type: ignore[index]  # the same list


async def test_an_envoy_that_there_is_not_is_404_with_the_nearest(bench: Bench) -> None:
    bench.streams.connected = [stream(1, "web-1"), stream(2, "edge")]

    answer = await bench.request("/api/v1/envoys/wbe-1")

    assert answer == (404, {"error": "no Envoy 'wbe-1' is connected; did you mean 'web-1'?"})
