"""What replicas compare: `/api/v1/versions`."""

from collections.abc import AsyncIterator

import pytest

from bridge.peers import Difference, PeerState, PeerStatus, fingerprints
from support.admin_bench import Bench, admin_bench
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with admin_bench() as bench:
        yield bench


async def test_nothing_is_compared_before_envoys_are_answered(bench: Bench) -> None:
    assert await bench.get("/api/v1/versions") == {"instance": "5e1f", "views": {}}


async def test_versions_are_told_by_view_and_type(bench: Bench) -> None:
    bench.serving.snapshot = served = snapshot({"web": "c"}, {"web": "e"})

    assert await bench.get("/api/v1/versions") == {
        "instance": "5e1f",
        "views": {"default": {"cluster": served.version(CLUSTER.url), "endpoint": served.version(ENDPOINT.url)}},
    }


async def test_services_are_told_as_hashes_without_their_names(bench: Bench) -> None:
    bench.serving.snapshot = served = snapshot({"web": "c", "api": "c"}, {"web": "e", "api": "e"})

    assert await bench.get("/api/v1/versions/default") == {"services": sorted(fingerprints(served).values())}


async def test_a_view_that_is_not_in_use_has_no_services(bench: Bench) -> None:
    bench.serving.snapshot = snapshot({"web": "c"})

    assert await bench.request("/api/v1/versions/views%5B0%5D") == (404, {"error": "no such view is in use"})


async def test_status_shows_every_peer(bench: Bench) -> None:
    url = "http://10.0.0.6:19000"
    difference = Difference("default", ("web",), here=1, there=2)
    bench.replicas.peers = (PeerStatus(url, PeerState.DIFFERS, 7.0, difference=difference),)

    assert (await bench.get("/api/v1/status"))["peers"] == [
        {
            "url": url,
            "state": "differs",
            "since": 7.0,
            "error": "",
            "difference": {"view": "default", "services": ["web"], "here": 1, "there": 2},
        }
    ]
