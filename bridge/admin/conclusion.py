"""What a story amounts to: which rule had a say in each endpoint, and one line with what to do. Pure functions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bridge.admin.client import MEND_CLUSTER, MEND_ENDPOINTS
from bridge.admin.digest import Digest
from bridge.admin.hold import HoldDocument
from bridge.admin.ruling import decided_by
from bridge.admin.story import ClientStory, ServiceStory, SightingDocument, SourceStory, Story, ViewStory
from bridge.merge import Policy, Report, ServedEndpoint, Service, Standing
from bridge.model import EndpointKey, ServiceName, SourceName
from bridge.operator import Drain, Pause
from bridge.provenance import Verdict
from bridge.wording import gist, shortened, utc


@dataclass(frozen=True, slots=True)
class Orders:
    """What operators and the guard have decided, as far as it is about one service."""

    drains: Sequence[Drain]
    pauses: Mapping[SourceName, Pause]
    holds: Sequence[HoldDocument]


@dataclass(frozen=True, slots=True)
class Whole:
    """All that is served of what is asked about, where a story tells of some of it."""

    digests: Mapping[str, Digest]
    """By service."""
    served: AbstractSet[tuple[str, str, str]]
    """Of what sources have of it: source, instance, address with port."""


def notes(served: ServedEndpoint, service: Service, orders: Orders) -> Iterator[str]:
    """Every rule that had a say in an endpoint that is served."""
    first, *others = served.origins
    losers = [source for source in dict.fromkeys(origin.source for origin in others) if source != first.source]
    if losers:
        yield f"{', '.join(losers)} reports it too; {decided_by(service.ruling.policy)}: {first.source}"
    if first.standing is Standing.HELD:
        reason = next((hold.detail or hold.reason for hold in orders.holds if hold.source == first.source), "loss")
        yield f"{first.source} no longer reports it; the guard holds it ({reason})"
    if first.standing is Standing.RESTORED:
        yield f"known from before the restart; {first.source} has not told of it since"
    if pause := orders.pauses.get(first.source):
        yield f"{first.source} is paused since {utc(pause.since)} by {pause.by}: what it says now counts for nothing"
    if served.reported is not None:
        yield _drained(served.endpoint.key, service.name, orders.drains)
    yield from _shares(first.role, served, service)
    if service.ruling.policy is Policy.FAILOVER:
        yield f"the policy `failover` gives {first.source} the priority {served.priority}"


def withheld(report: Report, service: Service | None) -> str:
    """Why an endpoint that is reported is not served."""
    ruling = service.ruling if service else None
    if ruling and ruling.policy is Policy.FIRST and ruling.chosen is not None:
        return f"the policy `first` serves {ruling.chosen} and keeps {report.origin.role} in reserve"
    return "it is not merged yet"


def conclude(story: Story, whole: Whole) -> tuple[bool, str]:
    """Whether somebody should do something, and all of the story in one line."""
    return _refused(story) or _served(story, whole) or _unserved(story, whole) or (True, _nowhere(story))


def _drained(key: EndpointKey, service: ServiceName, drains: Iterable[Drain]) -> str:
    for drain in drains:
        if drain.target in (key, service):
            return f"an operator drains {drain.target} until {utc(drain.until)} ({drain.by}): it gets no new requests"
    return "an operator drains it: it gets no new requests"


def _shares(source: SourceName, served: ServedEndpoint, service: Service) -> Iterator[str]:
    total = sum(share.in_force for share in service.ruling.shares)
    for share in service.ruling.shares:
        if share.source == source and share.weight == 0:
            yield f"{source} has the weight 0 in `weights`, so it is drained"
        elif share.source == source and not share.counts:
            yield f"{source} has no endpoint that takes requests, so the others have its share"
        elif share.source == source:
            part = f"{100 * share.in_force / total:.3g} % of the requests"
            yield f"the policy `weighted` gives {source} {part}; its own weight is {served.endpoint.weight}"


def _refused(story: Story) -> tuple[bool, str] | None:
    """An Envoy says no: nothing else is as urgent, and nobody but Envoy can tell why."""
    found = [(service, view, client) for service, view in _views(story) for client in view.refused]
    if not found:
        return None
    service, view, client = found[0]
    others = sum(each.refused_count for each in service.views) - 1
    who = f"{_name(client)}{f' and {others} more' if others else ''}"
    mend = MEND_CLUSTER if client.type == "CDS" else MEND_ENDPOINTS
    refuse = "refuse" if others else "refuses"
    return True, f"{service.name}: {who} {refuse} the {client.type} of {view.view}: {gist(client.message)} — {mend}"


def _served(story: Story, whole: Whole) -> tuple[bool, str] | None:
    services = [service for service in story.services if service.endpoints]
    if not services or story.waiting:
        return None
    said = "; ".join(_one_served(service, whole.digests[service.name]) for service in services)
    problems = list(_problems(story, whole))
    if problems:
        said += f"; beside it, {len(problems)} {'is' if len(problems) == 1 else 'are'} not served: {problems[0]}"
    if failing := [source.source for source in story.sources if source.failing]:
        said += f"; {', '.join(failing)} cannot be read, so what was known last is served"
    hidden = all(not view.shown for service in services for view in service.views)
    return hidden, said


def _one_served(service: ServiceStory, digest: Digest) -> str:
    shown = [view for view in service.views if view.shown]
    hidden = [view.view for view in service.views if not view.shown]
    asked, accepted = sum(view.asked for view in shown), sum(view.accepted for view in shown)
    had = f"{accepted} of {asked} Envoys that asked for it have it as it is now" if asked else "no Envoy asks for it"
    said = f"{_what(service, digest)}; {had}"
    if digest.held:
        said += f"; {digest.held} held by the guard, no longer reported (`xds-bridge guard list`)"
    waiting = [view for view in shown if view.waiting]
    if waiting:
        more = sum(view.waiting_count for view in waiting) - 1
        others = f" and {more} more have" if more else " has"
        said += f", {_name(waiting[0].waiting[0])}{others} not answered yet"
    if service.disputed:
        said += f"; its endpoints do not agree whether they speak {' or '.join(service.disputed)}"
    left_out = [key for view in shown for key in view.draining_left_out]
    if left_out:
        said += f"; {left_out[0]} is draining and not named to them, so that it gets no request in a panic"
    return said + (f"; not shown in {', '.join(hidden)}" if hidden else "")


def _what(service: ServiceStory, digest: Digest) -> str:
    first, tally = service.endpoints[0], digest.tally
    if tally.total > 1:
        return f"{service.name} is served with {tally.total} endpoints, {tally.healthy} of them healthy"
    since = f" since {utc(first.endpoint.since)}" if first.endpoint.since else ""
    said = f"{first.endpoint.key} is served in {service.name}{since}"
    if first.endpoint.health not in ("healthy", "unknown"):
        said += f" as {first.endpoint.health}"
    return said + (f" ({first.notes[0]})" if first.notes else "")


def _unserved(story: Story, whole: Whole) -> tuple[bool, str] | None:
    causes = [*story.waiting, *_problems(story, whole)]
    if causes:
        more = f"; and {len(causes) - 1} more" if len(causes) > 1 else ""
        return True, f"not served: {causes[0]}{more}"
    empty = [service for service in story.services if service.served]
    if empty:
        first = empty[0]
        said = f"{first.name} is served without an endpoint: no source has one now"
        if first.retained_until:
            said += f", and its cluster goes {utc(first.retained_until)}"
        return True, said + _doubts(story)
    return None


def _problems(story: Story, whole: Whole) -> Iterator[str]:
    """What is known of it and not served, mistakes first; an instance may have a good port and a bad one."""
    told: set[tuple[str, str, str]] = set()
    for verdict, tell in _TELLING.items():
        for source in story.sources:
            for sighting in source.sightings:
                key = (source.source, sighting.instance, sighting.reported)
                if sighting.verdict == verdict and key not in whole.served and key not in told:
                    told.add(key)
                    yield tell(source, sighting)
    for service in story.services:
        yield from (
            f"{each.source} says: {shortened(each.reason)} — mend it there"
            for each in service.set_aside
            if (each.source, each.instance, each.reported) not in told
        )
        yield from (f"{each.source} has {each.endpoint}, but {each.reason}" for each in service.withheld)
    yield from (f"{source.source} names it so: {reason}" for source in story.sources for reason in source.refused)


def _set_aside(source: SourceStory, sighting: SightingDocument) -> str:
    return f"{source.source} says: {shortened(sighting.reason)} — mend it there"


def _left_out(source: SourceStory, sighting: SightingDocument) -> str:
    which = f" {sighting.instance}" if sighting.instance else ""
    return f"{source.source} leaves{which} out: {shortened(sighting.reason)}"


def _on_its_way(source: SourceStory, sighting: SightingDocument) -> str:
    if source.paused_by:
        return f"{source.source} has {sighting.reported} and is paused by {source.paused_by}; resume it"
    return f"{source.source} has {sighting.reported}, and it is on its way to the Envoys"


_TELLING: Mapping[Verdict, Callable[[SourceStory, SightingDocument], str]] = {
    Verdict.SET_ASIDE: _set_aside,
    Verdict.LEFT_OUT: _left_out,
    Verdict.REPORTED: _on_its_way,
}


def _nowhere(story: Story) -> str:
    near = f"; did you mean {' or '.join(story.nearest)}?" if story.nearest else ""
    looked = "; ".join(f"{each.source}: {each.looked}" for each in story.sources if each.looked)
    return f"{story.target} is nowhere ({looked or 'no source could be looked through'}){_doubts(story)}{near}"


def _doubts(story: Story) -> str:
    """What could not be looked at, so that it may be there all the same."""
    failing = [f"{each.source} fails ({shortened(each.failing[0])})" for each in story.sources if each.failing]
    silent = [
        f"{each.source} does not say ({shortened(each.unanswered)})"
        for each in story.sources
        if each.unanswered and not each.failing
    ]
    return f"; it may be there all the same: {'; '.join((*failing, *silent))}" if failing or silent else ""


def _views(story: Story) -> Iterator[tuple[ServiceStory, ViewStory]]:
    return ((service, view) for service in story.services for view in service.views)


def _name(client: ClientStory) -> str:
    return client.node or client.peer
