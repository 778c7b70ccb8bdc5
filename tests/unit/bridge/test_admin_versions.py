"""What replicas compare: `/api/v1/versions`."""

import weakref
from collections.abc import Mapping

from bridge.peers import Difference, PeerState, PeerStatus, alias, fingerprints
from support.admin_bench import Bench
from support.waiting import eventually
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, Resource, Snapshot

VIEW = f"/api/v1/versions/{alias('default')}"


class Looked(Snapshot):
    """One that counts how often all of it is looked at."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._resources = snapshot({name: "c"})._resources
        self._versions = {CLUSTER.url: name, ENDPOINT.url: name}
        self.looks = 0

    def resources(self, type_url: str) -> Mapping[str, Resource]:
        self.looks += type_url == CLUSTER.url
        return super().resources(type_url)


async def test_nothing_is_compared_before_envoys_are_answered(bench: Bench) -> None:
    assert await bench.get("/api/v1/versions") == {"instance": "5e1f", "views": {}}


async def test_versions_are_told_by_view_and_type(bench: Bench) -> None:
    bench.serving.snapshot = served = snapshot({"web": "c"}, {"web": "e"})

    assert await bench.get("/api/v1/versions") == {
        "instance": "5e1f",
        "views": {alias("default"): {"cluster": served.version(CLUSTER.url), "endpoint": served.version(ENDPOINT.url)}},
    }


async def test_services_are_told_as_hashes_without_their_names(bench: Bench) -> None:
    bench.serving.snapshot = served = snapshot({"web": "c", "api": "c"}, {"web": "e", "api": "e"})

    assert await bench.get(VIEW) == {"services": "".join(sorted(fingerprints(served).values()))}


async def test_services_are_worked_out_once_for_all_who_ask(bench: Bench) -> None:
    bench.serving.snapshot = Looked("web")
    first, second = [await bench.get(VIEW) for _ in range(2)]
    assert first == second
    assert bench.serving.snapshot.looks == 1

    bench.serving.snapshot = Looked("api")
    assert await bench.get(VIEW) != first


async def test_a_snapshot_that_is_superseded_is_let_go(bench: Bench) -> None:
    bench.serving.snapshot = superseded = Looked("web")
    await bench.get(VIEW)
    gone = weakref.ref(superseded)

    bench.serving.snapshot = superseded = Looked("api")

    await eventually(lambda: gone() is None, what="it is let go")


async def test_a_view_that_is_not_in_use_has_no_services(bench: Bench) -> None:
    bench.serving.snapshot = snapshot({"web": "c"})

    assert await bench.request(f"/api/v1/versions/{alias('views[0]')}") == (404, {"error": "no such view is in use"})


async def test_a_region_that_an_envoy_made_up_is_told_to_nobody(bench: Bench) -> None:
    bench.serving.views = {"views[0] in 10.0.0.1": snapshot({"web": "c"})}

    assert "10.0.0.1" not in (await bench.text("/api/v1/versions"))[1]
    assert (await bench.request("/api/v1/versions/views%5B0%5D%20in%2010.0.0.1"))[0] == 404


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
