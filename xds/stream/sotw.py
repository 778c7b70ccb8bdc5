"""State of the World: each request restates what the client wants, each response of a cluster-like type has it all.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-updates
"""

from xds.cache import Generation
from xds.message import Request
from xds.snapshot import Snapshot, differences
from xds.stream.channel import Channel, Held, Sent, hold_or_isolate, version_of
from xds.stream.plan import Plan
from xds.subscription import restated

_MAX_ISOLATED = 8
"""Suspects that are tried one by one where each trial costs a complete response."""


class StateOfTheWorld:
    """The rules of `DiscoveryRequest` and `DiscoveryResponse`."""

    transport = "sotw"
    incremental = False

    def subscribe(self, channel: Channel, request: Request) -> None:
        """Apply a request's names. A name that is new among them is sent, even if the client had got it unasked."""
        before, first = channel.wants, channel.subscription is None
        if request.names and request.names is before.names:
            return
        wants = restated(channel.subscription, request.names, legacy_wildcard=channel.type.legacy_wildcard)
        if wants == before and not first:
            return
        channel.resubscribe(wants, wants.names - before.names if before.names else wants.names)
        if wants.wildcard and not before.wildcard:
            channel.restart()
        if first:
            channel.whole |= channel.type.full_state and bool(wants.names)
        channel.claimed = request.version if first else None

    def plan(self, channel: Channel, generation: Generation, due: frozenset[str]) -> Plan | None:
        """What to send now, of the names that are `due`; None if that is nothing."""
        if not channel.type.full_state:
            return _partial(channel, generation.snapshot, due)
        if _holds_everything(channel, generation.snapshot):
            channel.accepted = generation.snapshot.resources(channel.type.url)
            return None
        return _complete(channel, generation.snapshot, due) if due or channel.whole else None

    def accept(self, channel: Channel, sent: Sent) -> None:
        """Remember what the client has now, to fall back to."""
        if channel.type.full_state:
            channel.accepted = sent.response.snapshot.resources(channel.type.url)

    def reject(self, channel: Channel, sent: Sent) -> None:
        """Hold what was rejected, as far as it can be told from the rest."""
        if channel.type.full_state:
            _reject_complete(channel, sent)
        else:
            hold_or_isolate(channel, sent)

    def isolate(self, channel: Channel, generation: Generation, name: str) -> Plan | None:
        """What to send to find out whether `name` alone is bad; None if it cannot be sent any more."""
        alone = frozenset((name,))
        if not channel.type.full_state:
            return _partial(channel, generation.snapshot, alone)
        channel.held.pop(name, None)
        return _complete(channel, generation.snapshot, alone)


def _partial(channel: Channel, snapshot: Snapshot, due: frozenset[str]) -> Plan | None:
    if channel.type.placeholder is None:
        due &= snapshot.names(channel.type.url)
    names = channel.without_held(due, snapshot)
    return Plan(snapshot, names, fresh=names) if names else None


def _holds_everything(channel: Channel, snapshot: Snapshot) -> bool:
    """Whether the client proved by a version, which is a hash of all there is, that it has all there is."""
    wants = channel.wants
    return (
        channel.whole and wants.wildcard and not wants.names and channel.claimed == snapshot.version(channel.type.url)
    )


def _complete(channel: Channel, snapshot: Snapshot, due: frozenset[str]) -> Plan:
    effective = _with_fallbacks(channel, snapshot)
    names = effective.names(channel.type.url)
    return Plan(effective, names if channel.wants.wildcard else names & channel.wants.names, fresh=due)


def _with_fallbacks(channel: Channel, snapshot: Snapshot) -> Snapshot:
    """The snapshot with rejected resources replaced by what the client has: leaving them out would delete those."""
    url = channel.type.url
    known = snapshot.resources(url)
    held = {name: held for name, held in channel.held.items() if held.version == version_of(known.get(name))}
    channel.held = held
    if not held:
        return snapshot
    fallbacks = [each.fallback for each in held.values() if each.fallback]
    return snapshot.replace(url, changed=fallbacks, removed=held)


def _reject_complete(channel: Channel, sent: Sent) -> None:
    """Suspect what the client does not have yet; without knowing what it has, wait for the next change."""
    accepted, tried = channel.accepted, sent.response.snapshot.resources(channel.type.url)
    if accepted is None:
        return
    suspects = differences(accepted, tried) & sent.response.names
    channel.held |= {name: Held(version_of(tried.get(name)), accepted.get(name)) for name in suspects}
    if 1 < len(suspects) <= _MAX_ISOLATED:
        channel.isolated = tuple(sorted(suspects))
    elif suspects and accepted.keys() - tried.keys():
        channel.whole = True  # the removals in the rejected response are still to be told
