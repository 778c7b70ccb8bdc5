"""State of the World: each request restates what the client wants, each response of a cluster-like type has it all.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-updates
"""

from collections.abc import Mapping, Sequence

from xds.cache import Generation
from xds.message import Request, Response
from xds.resource import Resource
from xds.snapshot import Snapshot, differences
from xds.stream.acceptance import Acceptances
from xds.stream.channel import Channel, Rejection, Sent, hold_or_suspect, version_of
from xds.stream.plan import Plan
from xds.subscription import Subscription, restated

_MAX_TRIES = 128
"""Complete responses spent on finding what is bad in one: enough for about eight bad ones among a thousand."""


class StateOfTheWorld:
    """The rules of `DiscoveryRequest` and `DiscoveryResponse`.

    Args:
        acceptances: lets streams know what a client has that comes from another of them; by default nobody else's.
    """

    transport = "sotw"
    incremental = False
    skips = True

    def __init__(self, acceptances: Acceptances | None = None) -> None:
        self._acceptances = acceptances or Acceptances()

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
            contents = _contents(sent.response)
            channel.accepted = _selected(contents, channel.wants)
            if channel.wants.wildcard:  # or the version stands for more than this client has
                self._acceptances.add(channel.type.url, sent.version, contents)

    def reject(self, channel: Channel, answered: Sequence[Sent], request: Request, rejection: Rejection) -> None:
        """Hold what was rejected, as far as it can be told from the rest."""
        *skipped, sent = answered
        for older in skipped:
            if older.version == request.version:  # an Envoy that warms clusters does not say that it accepted them
                self.accept(channel, older)
        if not channel.type.full_state:
            hold_or_suspect(channel, sent, rejection)
            return
        if channel.accepted is None and channel.wants.wildcard:
            channel.accepted = self._proven(channel, request.version, sent.response.snapshot)
        _reject_complete(channel, sent, rejection)

    def isolate(self, channel: Channel, generation: Generation, suspects: frozenset[str]) -> Plan | None:
        """What to send to find out whether there is a bad one among `suspects`; None if that is not to be tried."""
        if not channel.type.full_state:
            plan = _partial(channel, generation.snapshot, suspects)
            if plan is None:
                channel.acquit()
            return plan
        if channel.tries >= _MAX_TRIES:
            return None
        channel.tries += 1
        channel.held = {name: held for name, held in channel.held.items() if name not in suspects}
        return _complete(channel, generation.snapshot, suspects)

    def _proven(self, channel: Channel, version: str, rejected: Snapshot) -> Mapping[str, Resource] | None:
        """What a client from an earlier stream has, as far as the version of its last acceptance proves it.

        It does if somebody accepted that version here, or if it is what was rejected but for one resource: the bad one
        that another server, or the one before a restart, has left out for this client.
        """
        url = channel.type.url
        contents = self._acceptances.find(url, version)
        if contents is not None:  # it may be empty
            return contents
        left_out = rejected.lacks(url, version)
        return None if left_out is None else rejected.replace(url, removed=[left_out]).resources(url)


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
    """Whether the client proved by a version, which is a hash of all there is, that it has all there is.

    An answer to a question for names has the same version. So a client that asked for names on an earlier stream, and
    asks for everything on this one, must not name what it accepted there. None is known that would: an Envoy asks for
    all clusters from the start.
    """
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


def _reject_complete(channel: Channel, sent: Sent, rejection: Rejection) -> None:
    """Hold what the client does not have yet, and try it by halves; all else goes on being sent.

    What a client has that comes from an earlier stream may be unknown. Then any response that leaves something out
    could delete what works, so it gets the next complete response when something changes.
    """
    accepted, tried = channel.accepted, sent.response.snapshot.resources(channel.type.url)
    if accepted is None:
        channel.unexplained = rejection
        return
    suspects = differences(accepted, tried) & sent.response.names
    wanted = channel.wants.select(suspects)
    channel.hold(wanted, sent.response.snapshot, rejection)
    if len(suspects) > 1:
        channel.suspects.halve(wanted)
    elif accepted.keys() - tried.keys():
        channel.owe(suspects)  # the removals in the rejected response are still to be told
    channel.unexplained = rejection if channel.suspects or not suspects else None


def _contents(response: Response) -> Mapping[str, Resource]:
    """The resources in a complete response."""
    known = response.snapshot.resources(response.type.url)
    return known if len(known) == len(response.names) else {name: known[name] for name in response.names}
