"""What a running bridge serves, as `diff` reads it: its views in use, who has them, and the resources of each."""

from base64 import b64decode
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from bridge.cli import client
from bridge.cli.client import Way
from bridge.config import ViewMatch
from bridge.errors import BridgeError

ATTEMPTS = 5
"""How often a view is read anew that changes while it is read, page by page."""


class NothingServedError(BridgeError):
    """The bridge answers no Envoy yet."""


class UnsteadyError(BridgeError):
    """What is served changes faster than it can be read."""


class View(BaseModel):
    """One of `/api/v1/views`."""

    name: str
    match: ViewMatch | None
    region: str
    versions: Mapping[str, str]


class _Views(BaseModel):
    views: tuple[View, ...]


class _Resource(BaseModel):
    name: str
    body: str


class _Page(BaseModel):
    """`/api/v1/resources`."""

    version: str
    resources: tuple[_Resource, ...]
    after: str | None


class _Locality(BaseModel):
    region: str


class _Node(BaseModel):
    id: str
    cluster: str
    locality: _Locality
    metadata: tuple[tuple[str, str], ...]


class Stream(BaseModel):
    """One of `/api/v1/envoys`."""

    node: _Node | None
    names: tuple[str, ...]
    view: str


class _Envoys(BaseModel):
    streams: tuple[Stream, ...]


class _Service(BaseModel):
    name: str
    held: int
    restored: int
    drained: int
    diverted: bool
    retained_until: float | None


class _Services(BaseModel):
    services: tuple[_Service, ...]


class _Paused(BaseModel):
    source: str


class _Status(BaseModel):
    paused: tuple[_Paused, ...]


async def views(ways: Sequence[Way]) -> Sequence[View]:
    """The views in use.

    Raises:
        NothingServedError: there is none.
    """
    found = (await client.read(ways, "api/v1/views", _Views)).views
    if not found:
        raise NothingServedError("the running bridge serves nothing yet; `xds-bridge status` says why")
    return found


async def streams(ways: Sequence[Way]) -> Sequence[Stream]:
    """The streams of Envoys that have said who they are."""
    found = (await client.read(ways, "api/v1/envoys", _Envoys)).streams
    return [stream for stream in found if stream.node]


async def paused(ways: Sequence[Way]) -> Sequence[str]:
    """The sources of which the bridge serves what it served when an operator paused them."""
    return [each.source for each in (await client.read(ways, "api/v1/status", _Status)).paused]


async def resources(ways: Sequence[Way], view: str, kind: str) -> Mapping[str, bytes]:
    """All encoded resources of a type, `cluster` or `endpoint`, that a view shows.

    Raises:
        UnsteadyError: they change too fast.
    """
    for _ in range(ATTEMPTS):
        found = await _resources(ways, {"view": view, "type": kind})
        if found is not None:
            return found
    raise UnsteadyError(f"the view {view} of the running bridge changes while it is read; try again")


async def explanations(ways: Sequence[Way]) -> Mapping[str, Sequence[str]]:
    """What the bridge serves of a service that no source says now, and why."""
    found = (await client.read(ways, "api/v1/services", _Services)).services
    return {service.name: tuple(_explained(service)) for service in found}


async def _resources(ways: Sequence[Way], query: Mapping[str, str]) -> Mapping[str, bytes] | None:
    """None if they changed meanwhile."""
    page = await client.read(ways, "api/v1/resources", _Page, query)
    version, found = page.version, {each.name: b64decode(each.body) for each in page.resources}
    while page.after is not None:
        page = await client.read(ways, "api/v1/resources", _Page, {**query, "after": page.after})
        if page.version != version:
            return None
        found |= {each.name: b64decode(each.body) for each in page.resources}
    return found


def _explained(service: _Service) -> Sequence[str]:
    counts = (
        (service.held, "held by the guard, missing in its source (`xds-bridge guard list`)"),
        (service.restored, "known from before the last restart and not read since"),
        (service.drained, "drained by an operator"),
    )
    notes = [
        f"of what the bridge serves, {count} {'is' if count == 1 else 'are'} {what}" for count, what in counts if count
    ]
    if service.retained_until is not None:
        notes.append("no source names it any more; the bridge keeps its cluster, empty, for cluster_retention")
    if service.diverted:
        notes.append("the bridge sends its requests elsewhere than its merge policy does when all is well")
    return notes
