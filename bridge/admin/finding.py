"""What a person should look at, the most urgent first, each with the command to type: a pure function."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from bridge.admin.client import Client, Progress
from bridge.admin.observation import Observation
from bridge.admin.source import SourceDocument
from bridge.admin.wording import shortened, utc
from bridge.guard import Reason
from bridge.model import ServiceName
from bridge.peers import PeerState
from bridge.registry import Hold

SHOWN = 5
"""Findings of one kind that are shown one by one; the rest is counted."""

_WHY = {
    Reason.LOSS: "too many at once are missing in what was read",
    Reason.EMPTIED: "the source shows nothing any more",
    Reason.DOUBT: "the source itself says that what is missing may be there",
}


class Urgency(StrEnum):
    """How urgent a finding is."""

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


def findings(observed: Observation, everybody: Iterable[Client]) -> list[Finding]:
    """Everything to look at, the most urgent first; in an order of its own otherwise."""
    found = [
        *_unready(observed),
        *(_held(hold) for source in observed.sources for hold in source.held),
        *(_too_old(name) for name in observed.too_old),
        *_refusals(everybody),
        *_reload(observed),
        *(finding for source in observed.sources for finding in _failing(source)),
        *_misfits(observed),
        *_replicas(observed),
        *_orders(observed),
    ]
    order = list(Urgency)
    return sorted(found, key=lambda finding: order.index(finding.urgency))


def _unready(observed: Observation) -> Iterator[Finding]:
    for each in observed.readiness.waiting:
        errors = f" ({'; '.join(each.errors)})" if each.errors else ""
        what = f"No Envoy is answered yet: {each.source} is waited for, {each.waiting_for}{errors}"
        yield Finding(Urgency.ACT, each.source, what, "xds-bridge check --live")


def _held(hold: Hold) -> Finding:
    services = ", ".join(hold.services[:SHOWN]) + (", …" if len(hold.services) > SHOWN else "")
    detail = f": {hold.detail}" if hold.detail else ""
    what = (
        f"{hold.endpoints} endpoints of {services} are held since {utc(hold.since)}, "
        f"because {_WHY[hold.reason]}{detail}. They are served until somebody lets them go."
    )
    command = f"xds-bridge guard release {shlex.quote(hold.source)}"
    return Finding(Urgency.ACT, hold.source, what, command, f"/services?source={quote(hold.source)}&state=held")


def _too_old(name: str) -> Finding:
    what = "What was kept of it over a restart is too old to be served without a word, and it was not read since."
    return Finding(Urgency.ACT, name, what, f"xds-bridge guard release {shlex.quote(name)}")


def _refusals(everybody: Iterable[Client]) -> Iterator[Finding]:
    refusing: dict[tuple[str, str], list[Client]] = {}
    for client in everybody:
        for part in client.parts:
            if part.progress is Progress.REFUSED:
                refusing.setdefault((part.type, part.refusal), []).append(client)
    for (kind, refusal), found in list(refusing.items())[:SHOWN]:
        name = found[0].name
        others = len(found) - 1
        too = f" So {'does 1 other Envoy' if others == 1 else f'do {others} other Envoys'}." if others else ""
        what = f"Refuses {kind} and stays with what it accepted before: {shortened(refusal).rstrip('.')}.{too}"
        yield Finding(Urgency.ACT, name, what, f"xds-bridge envoys {shlex.quote(name)}", "/envoys?state=refused")


def _reload(observed: Observation) -> Iterator[Finding]:
    last = observed.config.last_reload
    if last is None or last.ok:
        return
    losses = f" It would take: {'; '.join(last.losses)}." if last.losses else ""
    what = f"The configuration that was read {utc(last.at)} is not in use: {last.error}.{losses}"
    command = "xds-bridge reload --accept-loss" if last.losses else "xds-bridge check && xds-bridge reload"
    yield Finding(Urgency.ACT, "configuration", what, command, "/config")


def _failing(source: SourceDocument) -> Iterator[Finding]:
    for failure in sorted(source.failures, key=lambda each: each.since)[:SHOWN]:
        named = f"{failure.reading}: " if failure.reading else ""
        missing = f" Missing: {', '.join(failure.missing)}." if failure.missing else ""
        what = f"Fails since {utc(failure.since)} and keeps what it had: {named}{failure.error}.{missing}"
        command = "xds-bridge iam-policy" if failure.missing else "xds-bridge check --live"
        yield Finding(Urgency.LOOK, source.name, what, command, f"/services?source={quote(source.name)}")
    if len(source.failures) > SHOWN:
        yield Finding(Urgency.LOOK, source.name, f"{len(source.failures) - SHOWN} more of its reads fail.")


def _misfits(observed: Observation) -> Iterator[Finding]:
    """What cannot be served, and why."""
    for name, reported in observed.set_aside:
        count, entry = observed.known.set_aside[ServiceName(name)], reported.entry
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
