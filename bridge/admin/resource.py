"""What the views in use show, for whoever compares it with something else: their names, and resources page by page."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest

from bridge.admin.query import choice, given
from bridge.admin.view import View
from bridge.config import ViewMatch
from bridge.peers import type_versions
from bridge.views import ShownView
from xds import CLUSTER, ENDPOINT, Resource, Snapshot

PAGE = 500
"""Resources of a page, at most."""

PAGE_BYTES = 512 << 10
"""Bytes of resources after which a page ends."""

_TYPES = {"cluster": CLUSTER.url, "endpoint": ENDPOINT.url}
"""By the names that the API has for them."""


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """One view in use."""

    name: str
    match: Mapping[str, object] | None
    """Which Envoys it is for, as in the configuration; None for those that no rule is for."""
    region: str
    """Of its Envoys, where that makes a difference."""
    services: int
    versions: Mapping[str, str]
    """By type."""


@dataclass(frozen=True, slots=True)
class ViewsDocument:
    """`/api/v1/views`: the views in use; none before Envoys are answered."""

    views: tuple[ShownDocument, ...]


@dataclass(frozen=True, slots=True)
class ResourceDocument:
    """One resource."""

    name: str
    version: str
    body: str
    """The encoded message, in Base64."""


@dataclass(frozen=True, slots=True)
class ResourcesDocument:
    """`/api/v1/resources`: a page of what a view shows of a type."""

    view: str
    type: str
    version: str
    """Of all resources of the type; when it is another one on the next page, the pages do not belong together."""
    resources: tuple[ResourceDocument, ...]
    """Sorted by name."""
    after: str | None
    """What to ask for to have the next page; None on the last one."""


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page of what."""

    snapshot: Snapshot
    view: str
    type: str
    after: str | None


def views(view: View) -> ViewsDocument:
    """The views in use."""
    matches = [rule.match for rule in view.rules().views]
    return ViewsDocument(tuple(_shown(each, matches) for each in view.serving.shown()))


def parse(view: View, parameters: Sequence[tuple[str, str]]) -> PageQuery:
    """The page that parameters ask for. On the event loop only.

    Raises:
        WrongQueryError: there is none; the message says which values there are.
    """
    asked = {"view": "", "type": "", **given(parameters, ("view", "type", "after"))}
    snapshots = {each.name: each.snapshot for each in view.serving.shown()}
    kind, name = choice(asked, "type", _TYPES), choice(asked, "view", snapshots)
    return PageQuery(snapshots[name], name, kind, asked.get("after"))


def page(query: PageQuery) -> ResourcesDocument:
    """One page; work for a thread."""
    url = _TYPES[query.type]
    held = query.snapshot.resources(url)
    left = held if query.after is None else [name for name in held if name > query.after]
    names = nsmallest(PAGE, left)
    found = tuple(_portion(held[name] for name in names))
    more = len(found) < len(left)
    version = query.snapshot.version(url)
    return ResourcesDocument(query.view, query.type, version, found, found[-1].name if more else None)


def _portion(resources: Iterator[Resource]) -> Iterator[ResourceDocument]:
    """As many as a page has room for, and one in any case."""
    size = 0
    for resource in resources:
        yield ResourceDocument(resource.name, resource.version, b64encode(resource.body).decode())
        size += len(resource.body)
        if size >= PAGE_BYTES:
            return


def _shown(view: ShownView, matches: Sequence[ViewMatch]) -> ShownDocument:
    match = None if view.rule is None else matches[view.rule].model_dump(mode="json")
    services = len(view.snapshot.resources(CLUSTER.url))
    return ShownDocument(view.name, match, view.region, services, type_versions(view.snapshot))
