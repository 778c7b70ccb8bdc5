"""Reads what a bridge serves and what an Envoy has, to be compared; apart from the command, which waits for no HTTP."""

import asyncio
from collections.abc import Sequence

from bridge.cli import client, running
from bridge.cli.client import Way
from bridge.cli.decoded import reader
from bridge.cli.divergence import Clusters, Comparison, ConfigDump, Difference, Scope, Served, differences
from bridge.cli.served import endpoints
from bridge.errors import BridgeError
from xds import content_version

AGAIN = 1.0
"""Seconds after which an Envoy that has something else is asked once more: it may be in the middle of an update."""


class AnotherEnvoyError(BridgeError):
    """The Envoy that answers is not the one that was meant."""


async def compared(ways: Sequence[Way], url: str, node: str, view: str, scope: Scope) -> Comparison:
    """Compare, and look at what differs once more.

    Args:
        ways: to the bridge.
        url: of Envoy's admin interface.
        node: whose Envoy it has to be.
        view: what it is served.
        scope: what can be compared.

    Raises:
        UnreachableError: one of the two cannot be asked.
        RefusedError: one of them does not answer.
        AnotherEnvoyError: it is the Envoy of another node.
    """
    served, found = await _look(ways, url, node, view, scope)
    if found:
        await asyncio.sleep(AGAIN)  # Envoy tells nobody when it has done
        served, later = await _look(ways, url, node, view, scope)
        found = tuple(each for each in later if each in found)
    count = sum(map(len, served.assignments.values()))
    return Comparison(clusters=len(served.clusters), endpoints=count, differences=found)


async def _look(
    ways: Sequence[Way], url: str, node: str, view: str, scope: Scope
) -> tuple[Served, tuple[Difference, ...]]:
    envoy = [Way(url, who="an Envoy")]
    served = await _served(ways, view)
    dump = await client.read(envoy, "config_dump", ConfigDump)
    if dump.node != node:
        raise AnotherEnvoyError(f"the Envoy on {url} says that its node id is {dump.node!r}, not {node!r}")
    clusters = await client.read(envoy, "clusters", Clusters, {"format": "json"})
    return served, differences(served, dump, clusters, scope)


async def _served(ways: Sequence[Way], view: str) -> Served:
    clusters = await running.resources(ways, view, "cluster")
    assignments = await running.resources(ways, view, "endpoint")
    version = next((each.versions["cluster"] for each in await running.views(ways) if each.name == view), "")
    read = reader()
    return Served(
        version=version,
        clusters={name: content_version(body) for name, body in clusters.items()},
        assignments={name: endpoints(read.assignment(body))[0] for name, body in assignments.items()},
    )
