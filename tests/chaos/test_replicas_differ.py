"""Replicas that serve different things, for what an operator or the guard does to one of them: `status` says so.

The promise: it says which peer and which services, on both sides, for as long as it lasts and no longer.
"""

from collections.abc import Iterable
from pathlib import Path

from bridge.model import EndpointKey
from support.bridge import BridgeProcess
from support.endpoints_file import EndpointsFile
from support.replicas import Replicas


def numbered(numbers: Iterable[int]) -> list[EndpointKey]:
    return [EndpointKey(f"10.0.0.{number}", 80) for number in numbers]


async def told(replicas: Replicas, bridge: BridgeProcess) -> tuple[int, list[object]]:
    """What `status` exits with, and what it says of the peers."""
    outcome = await replicas.does(bridge, "status", "-o", "json")
    peers = outcome.json["peers"]
    assert isinstance(peers, list)
    return outcome.status, [(each["url"], each["state"], each["difference"]) for each in peers]


async def metrics(bridge: BridgeProcess) -> dict[str, float]:
    """Those of the other replica, without their label."""
    samples = await bridge.metrics()
    return {name.partition("{")[0]: value for name, value in samples.items() if name.startswith("xds_bridge_peer_")}


WEB = {"view": "default", "services": ["web"], "here": 1, "there": 1}


async def test_what_a_pause_makes_differ_is_told_on_both_sides_until_it_ends(tmp_path: Path) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    file.set("web", numbered([1, 2]))
    file.set("api", numbered([100]))
    async with Replicas(tmp_path, [file.source()]) as replicas:
        one, two = replicas.both
        await replicas.start()
        await replicas.until("same")

        await replicas.does(one, "pause")
        file.set("web", numbered([1, 2, 3]))
        await replicas.until("differs")
        assert (await replicas.peer(one))["difference"] == WEB
        assert await told(replicas, two) == (1, [(one.url(""), "differs", WEB)])
        assert await metrics(two) == {"xds_bridge_peer_up": 1, "xds_bridge_peer_differs": 1}

        await replicas.does(one, "resume")
        await replicas.until("same")
        assert await told(replicas, two) == (0, [(one.url(""), "same", None)])
        assert await metrics(two) == {"xds_bridge_peer_up": 1, "xds_bridge_peer_differs": 0}
        assert [event["services"] for event in two.events("peer.diverged")] == [["web"]]
        assert len(two.events("peer.converged")) == 1


async def test_what_one_holds_and_a_new_replica_never_had_is_told_until_it_is_released(tmp_path: Path) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    file.set("web", numbered(range(1, 13)))
    async with Replicas(tmp_path, [file.source()]) as replicas:
        one, two = replicas.both
        await one.start()
        await replicas.until("unreachable", one)
        assert await metrics(one) == {"xds_bridge_peer_up": 0, "xds_bridge_peer_differs": 0}

        file.set("web", numbered([1]))  # too much at once for one that knew more
        await two.start()
        await replicas.until("differs")
        assert (await replicas.peer(two))["difference"] == WEB

        await replicas.does(one, "guard", "release", "local")
        await replicas.until("same")
        assert [len(one.events(f"peer.{what}")) for what in ("diverged", "converged")] == [1, 1]
        assert one.events("peer.lost")
        assert one.events("peer.returned")
