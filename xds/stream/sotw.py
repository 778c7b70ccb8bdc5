"""State of the World: each request restates what the client wants, each response of a cluster-like type has it all.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-updates
"""

from collections.abc import Mapping, Sequence

from xds.cache import Generation
from xds.message import Request, Response
from xds.resource import Resource
from xds.snapshot import Snapshot, differences
from xds.stream.channel import Channel, Held, Sent, hold_or_suspect, version_of
from xds.stream.plan import Plan
from xds.subscription import Subscription, restated

_MAX_TRIES = 128
"""Complete responses spent on finding what is bad in one: enough for about eight bad ones among a thousand."""


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
        if first and channel.type.full_state:
            channel.whole |= bool(wants.names)
            # A client that accepted nothing so far has nothing: a response without some of it deletes nothing.
            channel.accepted = None if request.version else {}
        elif channel.accepted is not None:
            # What a client no longer asks for it may have dropped.
            channel.accepted = _selected(channel.accepted, wants)
        channel.claimed = request.version if first else None

    def plan(self, channel: Channel, generation: Generation, due: frozenset[str]) -> Plan | None:
        """What to send now, of the names that are `due`; None if that is nothing."""
        if not channel.type.full_state:
            return _partial(channel, generation.snapshot, due)
        if _holds_everything(channel, generation.snapshot):
            channel.accepted = generation.snapshot.resources(channel.type.url)
            return None
        if not (due or channel.whole):
            return None
        channel.tries = 0
        return _complete(channel, generation.snapshot, due)

    def accept(self, channel: Channel, sent: Sent) -> None:
        """Remember what the client has now, to fall back to."""
        if channel.type.full_state:
            channel.accepted = _selected(_contents(sent.response), channel.wants)

    def reject(self, channel: Channel, answered: Sequence[Sent], request: Request) -> None:
        """Hold what was rejected, as far as it can be told from the rest."""
        *skipped, sent = answered
        for older in skipped:
            if older.version == request.version:  # an Envoy that warms clusters does not say that it accepted them
                self.accept(channel, older)
        if channel.type.full_state:
            _reject_complete(channel, sent)
        else:
            hold_or_suspect(channel, sent)

    def isolate(self, channel: Channel, generation: Generation, suspects: frozenset[str]) -> Plan | None:
        """What to send to find out whether there is a bad one among `suspects`; None if that is not to be tried."""
        if not channel.type.full_state:
            return _partial(channel, generation.snapshot, suspects)
        if channel.tries >= _MAX_TRIES:
            return None
        channel.tries += 1
        channel.held = {name: held for name, held in channel.held.items() if name not in suspects}
        return _complete(channel, generation.snapshot, suspects)


def _selected(accepted: Mapping[str, Resource], wants: Subscription) -> Mapping[str, Resource]:
    if wants.wildcard:
        return accepted
    return {name: resource for name, resource in accepted.items() if name in wants.names}


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
    """Hold what the client does not have yet, and try it by halves; all else goes on being sent.

    What a client has that comes from an earlier stream is not known: any response that leaves something out could
    delete what works. Such a client gets the next complete response when something changes.
    """
    accepted, tried = channel.accepted, sent.response.snapshot.resources(channel.type.url)
    if accepted is None:
        return
    suspects = differences(accepted, tried) & sent.response.names
    channel.held |= {name: Held(version_of(tried.get(name)), accepted.get(name)) for name in suspects}
    if len(suspects) > 1:
        channel.suspects.halve(channel.wants.select(suspects))
    elif accepted.keys() - tried.keys():
        channel.owe(suspects)  # the removals in the rejected response are still to be told


def _contents(response: Response) -> Mapping[str, Resource]:
    """The resources in a complete response."""
    known = response.snapshot.resources(response.type.url)
    return known if len(known) == len(response.names) else {name: known[name] for name in response.names}
