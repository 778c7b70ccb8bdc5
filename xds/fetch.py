"""One question, one answer: what a stream would be sent first, for clients that poll.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#rest-json-polling-subscriptions
"""

from collections.abc import Iterator
from dataclasses import dataclass

from xds.cache import SnapshotCache, placeholder
from xds.message import ExcessiveRequest, InvalidRequest, Request, Response
from xds.refusal import Reason, Refused
from xds.resource import Resource, ResourceType
from xds.snapshot import Snapshot
from xds.subscription import Subscription, allowed, restated

_MOST_UNKNOWN = 1000
"""Names without a resource that one question may have: each is answered with a placeholder, which is made for it."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The client has all that it asks for, as the version proves that it named."""

    version: str


def fetch(cache: SnapshotCache, kind: ResourceType, request: Request) -> Response | Unchanged:
    """Answer a request as if it were the first of a stream.

    The version of the answer is a hash over the names and versions of the resources in it, not over all there is of
    the type: so a client that names it again for the same question has exactly these resources. A stream cannot use
    such a version, because there the names change while what was sent before stays with the client.

    Raises:
        ExcessiveRequest: it asks for more names, or longer ones, than a client may.
        InvalidRequest: it is a request for another type.
        Refused: there is nothing to serve yet.
    """
    if request.type_url not in ("", kind.url):
        raise InvalidRequest(f"this method serves {kind.url}, not {request.type_url[:200]!r}")
    if cache.snapshot is None:
        raise Refused(Reason.NOT_READY, "there is nothing to serve yet; ask again in a moment")
    wants = restated(None, allowed(request.names), legacy_wildcard=kind.legacy_wildcard)
    selected = _selected(cache.snapshot, kind, wants)
    version = selected.version(kind.url)
    if version == request.version:
        return Unchanged(version)
    # Nonces pair answers with questions on a stream; here there is only one of each.
    return Response(type=kind, nonce="", snapshot=selected, names=selected.names(kind.url))


def _selected(snapshot: Snapshot, kind: ResourceType, wants: Subscription) -> Snapshot:
    """A snapshot of nothing but what is asked for; the same one where that is everything."""
    if wants.wildcard and wants.names <= snapshot.names(kind.url):
        return snapshot
    return Snapshot().replace(kind.url, _resources(snapshot, kind, wants))


def _resources(snapshot: Snapshot, kind: ResourceType, wants: Subscription) -> Iterator[Resource]:
    known, existing = snapshot.resources(kind.url), snapshot.names(kind.url)
    if kind.placeholder is not None and len(wants.names - existing) > _MOST_UNKNOWN:
        raise ExcessiveRequest(f"the request names more than {_MOST_UNKNOWN} resources that do not exist")
    for name in wants.everything(existing):
        if resource := known.get(name):
            yield resource
        elif kind.placeholder is not None:
            yield placeholder(kind, name)
