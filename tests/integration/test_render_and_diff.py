"""What `render` and `diff` say of a configuration is what a bridge serves by it, held against one that runs."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.model import EndpointKey
from support.bridge import BridgeProcess, Json
from support.command import command
from support.endpoints_file import EndpointsFile
from support.waiting import eventually
from support.xds_client import Transport, connected
from xds import CLUSTER

MANY = [EndpointKey("10.0.0.1", port) for port in range(1, 13)]
FEW = MANY[:2]
GUARD = {"max_loss": "10%", "min_endpoints": 10}
VIEWS = [{"match": {"id": "edge-*"}, "services": ["web"]}]


class Served:
    """A bridge with two services in a file and a view, and an Envoy of that view."""

    def __init__(self, directory: Path) -> None:
        self.file = EndpointsFile(directory / "endpoints.json")
        self.file.set("api", FEW, weight=3)
        self.file.set("web", MANY)
        defaults = {"connect_timeout": "1s", "circuit_breakers": {"thresholds": [{"max_requests": 10}]}}
        settings: Json = {"guard": GUARD, "views": VIEWS, "cluster_defaults": defaults}
        self.bridge = BridgeProcess(directory, [self.file.source()], **settings)
        self.other = directory / "other.yaml"

    def write_other(self, **changes: object) -> None:
        """A configuration beside the one that runs."""
        self.other.write_text(json.dumps({**self.bridge.settings, **changes}))

    async def holds(self) -> bool:
        return bool((await self.bridge.get("/api/v1/guard"))["held"])

    async def views(self) -> dict[str, Json]:
        """The versions of each view in use."""
        found = (await self.bridge.get("/api/v1/views"))["views"]
        assert isinstance(found, list)
        return {each["name"]: each["versions"] for each in found}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    served = Served(tmp_path)
    transport = Transport(delta=True, aggregated=True)
    async with served.bridge, connected(served.bridge.xds_port, transport, node="edge-1") as envoy:
        await envoy.subscribe(CLUSTER)
        await envoy.accept(CLUSTER)
        yield served


async def test_render_and_diff_say_what_the_bridge_serves(served: Served) -> None:
    await asyncio.gather(
        _versions_are_the_same(served), _nothing_differs(served), _another_configuration_differs(served)
    )
    await _what_is_held_is_explained(served)


async def _versions_are_the_same(served: Served) -> None:
    status = await served.bridge.get("/api/v1/status")

    render = ("render", "--config", served.bridge.config, "-o", "json")
    everything, edge = await asyncio.gather(command(*render), command(*render, "--node-id", "edge-1"))

    def versions(document: Json) -> Json:
        found = {kind: document[f"{kind}s"] for kind in ("cluster", "endpoint")}
        return {kind: each["version_info"] for kind, each in found.items() if isinstance(each, dict)}

    assert versions(everything.json) == status["versions"]
    assert {"default": status["versions"], "views[0]": versions(edge.json)} == await served.views()
    assert edge.json["view"] == "views[0]"


async def _nothing_differs(served: Served) -> None:
    outcome = await command("diff", "--config", served.bridge.config)

    assert outcome.status == 0, outcome.error
    assert outcome.output == "view default: no difference\nview views[0] (edge-1): no difference\n"


async def _another_configuration_differs(served: Served) -> None:
    served.write_other(cluster_defaults={"connect_timeout": "2s"}, views=[{**VIEWS[0], "services": ["api"]}])

    outcome = await command("diff", "--config", served.other)

    assert outcome.status == 1, outcome.error
    lines = outcome.output.splitlines()
    assert lines[:4] == [
        "view default: 2 clusters changed",
        "~ cluster api",
        "    ~ circuit_breakers.thresholds[0].max_requests: 10 → (not given)",
        '    ~ connect_timeout: "1s" → "2s"',
    ]
    assert (
        "view views[0] (edge-1): 1 cluster added, 1 cluster removed, 2 endpoints added, 12 endpoints removed" in lines
    )


async def _what_is_held_is_explained(served: Served) -> None:
    served.file.set("web", FEW)
    await eventually(served.holds, what="the loss is held")

    outcome = await command("diff", "--config", served.bridge.config)

    assert outcome.status == 1, outcome.error
    assert outcome.output.count("    - 10.0.0.1:") == 2 * 10, "in both views"
    assert "    note: of what the bridge serves, 10 are held by the guard, missing in its source" in outcome.output
