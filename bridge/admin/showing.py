"""Which views show a service, in which versions, and how far the Envoys are that see it: pure functions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.admin.story import ClientStory, ViewStory
from bridge.config import ViewRule
from bridge.merge import Service
from bridge.model import Endpoint, Health, ServiceName
from bridge.resources import assigns
from bridge.views import selected
from xds import CLUSTER, ENDPOINT, Progress, Receiver, Snapshot

LISTED = 20
"""Envoys that are named of each kind."""

_TYPES = {CLUSTER.url: "CDS", ENDPOINT.url: "EDS"}


@dataclass(frozen=True, slots=True)
class Shows:
    """What is shown to whom, at one moment."""

    snapshots: Mapping[str, Snapshot]
    """By the name of the view."""
    rules: Sequence[ViewRule]


def views(name: ServiceName, service: Service | None, shows: Shows, receivers: Sequence[Receiver]) -> list[ViewStory]:
    """What each view makes of a service: those in use, then rules that hide it and that no Envoy is under now."""
    draining = (
        [each.endpoint for each in service.endpoints if each.endpoint.health is Health.DRAINING] if service else []
    )
    stories = [
        _view(view, name, snapshot, draining[:LISTED], _reason(view, name, shows.rules), receivers)
        for view, snapshot in shows.snapshots.items()
    ]
    used = {view.partition(" ")[0] for view in shows.snapshots}
    return [*stories, *_unused(name, shows.rules, used)]


def _view(
    view: str,
    name: ServiceName,
    snapshot: Snapshot,
    draining: Iterable[Endpoint],
    reason: str,
    receivers: Sequence[Receiver],
) -> ViewStory:  # fmt: skip
    cluster, endpoints = snapshot.resources(CLUSTER.url).get(name), snapshot.resources(ENDPOINT.url).get(name)
    asking = _envoys(each for each in receivers if each.view == view and each.receipts) if cluster else []
    accepted = [each for each in asking if {receipt.progress for receipt in each.receipts} == {Progress.SYNCED}]
    waiting = [*_clients(asking, {Progress.BEHIND, Progress.NOT_SENT})]
    refused = [*_clients(asking, {Progress.REJECTED})]
    left_out = [one for one in draining if endpoints and not assigns(endpoints.body, one)]
    return ViewStory(
        view=view,
        in_use=True,
        shown=cluster is not None,
        reason="" if cluster else reason or "there is no such cluster",
        cds_version=snapshot.version(CLUSTER.url),
        eds_version=snapshot.version(ENDPOINT.url),
        cluster_version=cluster.version if cluster else "",
        endpoints_version=endpoints.version if endpoints else "",
        draining_left_out=tuple(str(one.key) for one in left_out),
        asked=len(asking),
        accepted=len(accepted),
        accepted_by=tuple(map(_node, accepted[:LISTED])),
        waiting=tuple(waiting[:LISTED]),
        waiting_count=_envoys_of(waiting),
        refused=tuple(refused[:LISTED]),
        refused_count=_envoys_of(refused),
    )


def _envoys(receivers: Iterable[Receiver]) -> list[Receiver]:
    """Each Envoy once, with what it has on all its streams: one without ADS has several, over one connection."""
    grouped: dict[tuple[str, str], Receiver] = {}
    for each in receivers:
        key = _node(each), each.peer
        known = grouped.get(key)
        grouped[key] = replace(known, receipts=(*known.receipts, *each.receipts)) if known else each
    return list(grouped.values())


def _unused(name: ServiceName, rules: Sequence[ViewRule], used: set[str]) -> Iterator[ViewStory]:
    for index in range(len(rules)):
        view = f"views[{index}]"
        if view not in used and (reason := _reason(view, name, rules)):
            yield ViewStory(
                view, in_use=False, shown=False, reason=reason, cds_version="", eds_version="", cluster_version="",
                endpoints_version="", draining_left_out=(), asked=0, accepted=0, accepted_by=(), waiting=(),
                waiting_count=0, refused=(), refused_count=0,
            )  # fmt: skip


def _reason(view: str, name: ServiceName, rules: Sequence[ViewRule]) -> str:
    """Why a view does not show a service; empty when its rule does not say so."""
    for index, rule in enumerate(rules):
        if view.partition(" ")[0] == f"views[{index}]" and rule.selective and not selected(rule.services, name):
            return f"`services` of views[{index}] ({', '.join(rule.services)}) does not match it"
    return ""


def _clients(asking: Iterable[Receiver], progress: set[Progress]) -> Iterator[ClientStory]:
    for each in asking:
        for receipt in each.receipts:
            if receipt.progress in progress:
                kind = _TYPES.get(receipt.type_url, receipt.type_url)
                yield ClientStory(_node(each), each.peer, kind, receipt.rejection)


def _envoys_of(found: Iterable[ClientStory]) -> int:
    return len({(each.node, each.peer) for each in found})


def _node(receiver: Receiver) -> str:
    return receiver.node.id if receiver.node else ""
