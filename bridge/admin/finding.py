"""What a person should look at, the most urgent first, each with the command to type: a pure function."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from bridge.admin.client import PATIENCE, Client, Part, Progress, remedy, troubles
from bridge.admin.hold import HoldDocument
from bridge.admin.observation import Observation
from bridge.admin.source import SourceDocument
from bridge.audit import Action, Event
from bridge.guard import Reason
from bridge.merge import Service
from bridge.model import Health, ServiceName
from bridge.peers import PeerState
from bridge.wording import FETCHER, counted, some, utc
from xds import Validity

SHOWN = 5
"""Findings of one kind that are shown one by one; the rest is counted."""

LATELY = 3600.0
"""Seconds for which it is a finding that a service has lost its last endpoint; then it is the way it is."""

SOON, TOMORROW = (7 * 86400.0, 1 / 4), (86400.0, 1 / 8)
"""From when on the end of a certificate is a finding, and an urgent one: that many seconds before it, or, of one that
lives for days or hours, that share of its lifetime. cert-manager renews after two thirds of it, SPIRE after half.
"""

_AVAILABLE = (Health.HEALTHY, Health.UNKNOWN, Health.DEGRADED)

_WHY = {
    Reason.LOSS: "too many at once are missing in what was read",
    Reason.EMPTIED: "the source, or its registry, had lost everything when they went",
    Reason.DOUBT: "the source itself says that what is missing may be there",
}


class Urgency(StrEnum):
    """How urgent a finding is; the alerts of the same things are `critical` where it is `ACT`, else `warning`."""

    ACT = "act"
    """Something waits for a person."""
    LOOK = "look"
    """Degraded, and serving."""
    NOTE = "note"
    """As somebody ordered it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at."""

    urgency: Urgency
    about: str
    what: str
    command: str = ""
    """What to type; empty where there is nothing to type."""
    link: str = ""
    """The page that says more."""
    lasting: float | None = None
    """Seconds for which it lasts, where `what` does not say since when: the words stay the same while it does."""


def findings(observed: Observation, everybody: Sequence[Client]) -> list[Finding]:
    """Everything to look at, the most urgent first; in an order of its own otherwise."""
    found = [
        *_unready(observed),
        *(_held(hold, source) for source in observed.sources for hold in source.held),
        *(_too_old(name) for name in observed.too_old),
        *_envoys(observed, everybody),
        *_absent(observed),
        *_reload(observed),
        *(finding for source in observed.sources for finding in _failing(source)),
        *_without_endpoints(observed),
        *_misfits(observed),
        *_replicas(observed),
        *_upkeep(observed),
        *_orders(observed),
    ]
    order = list(Urgency)
    return sorted(found, key=lambda finding: order.index(finding.urgency))


def _unready(observed: Observation) -> Iterator[Finding]:
    for each in observed.readiness.waiting:
        errors = f" ({'; '.join(each.errors)})" if each.errors else ""
        what = f"No Envoy is answered yet: {each.source} is waited for, {each.waiting_for}{errors}"
        yield Finding(Urgency.ACT, each.source, what, "xds-bridge check --live")


def _held(hold: HoldDocument, source: SourceDocument) -> Finding:
    """That endpoints are held. The command shows more: what it says to type is not to be typed half asleep."""
    detail = f": {hold.detail}" if hold.detail else ""
    named = shlex.quote(hold.source)
    total = sum(source.endpoints.values()) + source.restored + sum(each.endpoints for each in source.held)
    keep = "" if hold.until is None else f" Until then, `xds-bridge pause {named}` keeps them."
    release = "`xds-bridge resume" if source.paused else "If they are really gone, `xds-bridge guard release"
    what = (
        f"{hold.endpoints} of its {counted(total, 'endpoint')} held since {utc(hold.since)} "
        f"({some(hold.services, SHOWN)}), "
        f"because {_WHY[Reason(hold.reason)]}{detail}. They go {hold.goes}.{keep} {release} {named}` "
        f"{'ends the pause' if source.paused else 'lets them go now'}."
    )
    link = f"/services?source={quote(hold.source)}&state=held"
    return Finding(Urgency.ACT, hold.source, what, "xds-bridge guard list", link)


def _too_old(name: str) -> Finding:
    what = "What was kept of it over a restart is too old to be served without a word, and it was not read since."
    return Finding(Urgency.ACT, name, what, f"xds-bridge guard release {shlex.quote(name)}")


def _envoys(observed: Observation, everybody: Sequence[Client]) -> Iterator[Finding]:
    """Envoys that refuse something, or lag; those of which the same is to be said together."""
    alike: dict[tuple[Progress, str], list[tuple[Client, Part, str, float | None]]] = {}
    for client in everybody:
        for part, trouble, lasting in troubles(client):
            said = trouble if part.progress is Progress.REFUSED else part.type
            alike.setdefault((part.progress, said), []).append((client, part, trouble, lasting))
    worst_first = sorted(alike.items(), key=lambda item: item[0][0] is not Progress.REFUSED)
    for (progress, _), found in worst_first[:SHOWN]:
        client, part, trouble, lasting = found[0]
        others = len({(each.name, each.peer) for each, *_ in found}) - 1
        too = f" So {'does 1 other Envoy' if others == 1 else f'do {others} other Envoys'}." if others else ""
        what = f"{trouble[0].upper()}{trouble[1:].rstrip('.')}.{too}{remedy(part)}"
        urgency = Urgency.ACT if progress is Progress.REFUSED else Urgency.LOOK
        command = f"xds-bridge envoys {shlex.quote(client.name)}"
        yield Finding(urgency, client.name, what, command, f"/envoys?state={progress.name.lower()}", lasting)
    if more := worst_first[SHOWN:]:
        urgency = Urgency.ACT if more[0][0][0] is Progress.REFUSED else Urgency.LOOK
        what = f"{len(more)} more things are to be said of them."
        yield Finding(urgency, "Envoys", what, "xds-bridge envoys", "/envoys")
    nobody = all(each.name == FETCHER for each in everybody)
    if nobody and observed.readiness.ready and observed.now - observed.started > PATIENCE:
        urgency = Urgency.LOOK if observed.absent else Urgency.NOTE
        yield Finding(urgency, "Envoys", "None is connected.", "", "/envoys")


def _absent(observed: Observation) -> Iterator[Finding]:
    """Envoys that left without a word. Those that end in order are none to look at: somebody stopped them."""
    found = [each for each in observed.absent if each.unanswered]
    if found:
        last, others = found[-1], len(found) - 1
        too = f" So did {counted(others, 'other Envoy')} within the hour." if others else ""
        how = "without an answer to what it was sent: it hangs, was cut off, or was killed"
        what = f"Left {utc(last.left)} {how}. It has not come back.{too}"
        yield Finding(Urgency.LOOK, last.node, what, "xds-bridge envoys", "/envoys")


def _reload(observed: Observation) -> Iterator[Finding]:
    last = observed.config.last_reload
    if last is None or last.ok:
        return
    losses = f" It would take: {'; '.join(last.losses)}." if last.losses else ""
    what = f"The configuration that was read {utc(last.at)} is not in use: {last.error}.{losses}"
    command = "xds-bridge reload --accept-loss" if last.losses else "xds-bridge check && xds-bridge reload"
    yield Finding(Urgency.LOOK, "configuration", what, command, "/config")


def _failing(source: SourceDocument) -> Iterator[Finding]:
    """One finding for all reads of a source that fail, since mostly one thing is why."""
    failures = sorted(source.failures, key=lambda each: each.since)
    if failures:
        first, *others = failures
        named = f"{first.reading}: " if first.reading else ""
        also = f" Others that fail: {some([each.reading for each in others], SHOWN)}." if others else ""
        rights = dict.fromkeys(right for each in failures for right in each.missing)
        missing = f" Missing: {', '.join(rights)}." if rights else ""
        error = first.error.rstrip(".")
        what = f"Fails since {utc(first.since)} and keeps what it had: {named}{error}.{also}{missing}"
        command = "xds-bridge iam-policy" if rights else "xds-bridge check --live"
        yield Finding(Urgency.LOOK, source.name, what, command, "#sources")
    if source.stale and not source.failures:
        what = "Was not read completely for too long, although nothing fails: a read hangs, or is slow."
        age = source.seconds_since_success
        yield Finding(Urgency.LOOK, source.name, what, "xds-bridge sources", "#sources", age)


def _without_endpoints(observed: Observation) -> Iterator[Finding]:
    """Services for which requests fail: all their endpoints are ill, or the last one has just gone."""
    services = observed.known.services
    ill = {
        service.name: (
            f"None of its {counted(len(service.endpoints), 'endpoint')} is healthy. "
            "Envoy may send requests to them all the same (panic)."
        )
        for service in services
        if service.endpoints and not _available(service)
    }
    empty = {service.name for service in services if not service.endpoints}
    lost = {ServiceName(event.service): _loss(event, observed) for event in _lost(observed, empty)}
    found = {**lost, **ill}
    for name, what in list(found.items())[:SHOWN]:
        yield Finding(Urgency.LOOK, name, what, f"xds-bridge explain {shlex.quote(name)}", f"/services/{quote(name)}")
    if len(found) > SHOWN:
        what = f"{len(found) - SHOWN} more have no healthy endpoint."
        yield Finding(Urgency.LOOK, "services", what, "xds-bridge services", "/services")


def _loss(event: Event, observed: Observation) -> str:
    """That a service has lost its last endpoint, and what becomes of it."""
    name = ServiceName(event.service)
    said = f"Has lost its last endpoint, {event.endpoint} of {event.source}, {utc(event.at)}, and requests for it fail"
    if name in observed.known.set_aside:
        return f"{said}: what its sources report of it is set aside."
    if until := observed.known.retained.get(name):
        return f"{said}. No source names it any more; its empty cluster goes {utc(until)}."
    return f"{said}: {event.why}."


def _available(service: Service) -> bool:
    """Whether it has an endpoint that takes requests, or did before an operator drained it."""
    return any((served.reported or served.endpoint.health) in _AVAILABLE for served in service.endpoints)


def _lost(observed: Observation, empty: set[ServiceName]) -> Iterator[Event]:
    """The last event of each of these services, where it took their last endpoint lately."""
    if not empty:
        return
    for event in reversed(observed.remembered.events):
        if event.at < observed.now - LATELY:
            return
        if event.service in empty and event.endpoint:
            empty.discard(ServiceName(event.service))
            if event.action is Action.REMOVED:
                yield event


def _misfits(observed: Observation) -> Iterator[Finding]:
    """What cannot be served, and why."""
    for name, reported in observed.set_aside:
        count, entry = sum(observed.known.set_aside[ServiceName(name)].values()), reported.entry
        more = f" ({count - 1} more)" if count > 1 else ""
        what = f"{entry.reported or entry.instance} of {reported.source} is set aside: {entry.reason}{more}"
        link = f"/services/{quote(name)}#set-aside"
        yield Finding(Urgency.LOOK, name, what, f"xds-bridge explain {shlex.quote(name)}", link)
    if others := len(observed.known.set_aside) - len(observed.set_aside):
        yield Finding(
            Urgency.LOOK, "services", f"{others} more have entries set aside.", "", "/services?state=set_aside"
        )
    for refused in observed.known.refused[:SHOWN]:
        what = f"A service cannot be served under its name {refused.name!r}: {refused.reason}"
        yield Finding(Urgency.LOOK, refused.source, what, "xds-bridge services")


def _replicas(observed: Observation) -> Iterator[Finding]:
    for peer in observed.peers:
        if peer.state is PeerState.UNREACHABLE:
            yield Finding(Urgency.LOOK, peer.url, f"Cannot be reached since {utc(peer.since)}: {peer.error}")
        elif peer.state is PeerState.DIFFERS:
            what = f"Serves something else than this replica since {utc(peer.since)}."
            yield Finding(Urgency.LOOK, peer.url, what, "xds-bridge status")


def _upkeep(observed: Observation) -> Iterator[Finding]:
    """What the process itself needs."""
    kept = observed.upkeep
    if kept.state:
        what = f"It cannot be written ({kept.state}): after a restart, what was written before counts."
        yield Finding(Urgency.LOOK, "state_directory", what)
    if kept.tls:
        what = f"New files cannot be used ({kept.tls}); those before are in use."
        yield Finding(Urgency.LOOK, "xds.tls", what, "xds-bridge check", "/config")
    for key, validity in kept.certificates.items():
        if _ending(validity, observed.now, SOON):
            end = validity.not_after
            ends = "Ends" if end > observed.now else "Has ended"
            what = f"{ends} {utc(end)}; from then on no Envoy can connect, and those that are connected stay. Renew it."
            urgency = Urgency.ACT if _ending(validity, observed.now, TOMORROW) else Urgency.LOOK
            yield Finding(urgency, f"xds.tls.{key}", what, "", "/config")


def _ending(validity: Validity, now: float, limit: tuple[float, float]) -> bool:
    seconds, share = limit
    return validity.not_after - now < min(seconds, share * validity.lifetime)


def _orders(observed: Observation) -> Iterator[Finding]:
    for pause in observed.pauses:
        what = f"Paused since {utc(pause.since)} by {pause.by}: what is served of it stays as it is."
        yield Finding(Urgency.LOOK, pause.source, what, f"xds-bridge resume {shlex.quote(pause.source)}")
    for drain in observed.drains:
        target = str(drain.target)
        what = f"Drained until {utc(drain.until)} by {drain.by}: it gets no new requests."
        yield Finding(Urgency.NOTE, target, what, f"xds-bridge undrain {shlex.quote(target)}")
    for source in observed.sources:
        if source.restored:
            what = f"{source.restored} endpoints are from before the restart, and were not read since."
            yield Finding(Urgency.NOTE, source.name, what)
        if source.leaving:
            yield Finding(Urgency.NOTE, source.name, "Is on its way out: it goes once what takes its place was read.")
