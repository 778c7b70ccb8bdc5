"""Delta: requests and responses carry what changed, and what does not exist is named.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds
"""

from collections.abc import Mapping, Sequence

from xds.cache import Generation
from xds.message import DeltaRequest
from xds.resource import Resource
from xds.stream.channel import Channel, Rejection, Sent, hold_or_suspect
from xds.stream.plan import Plan
from xds.subscription import NOTHING, WILDCARD, NameSets, Subscription, amended


class Incremental:
    """The rules of `DeltaDiscoveryRequest` and `DeltaDiscoveryResponse`.

    Args:
        sets: lets streams with equal subscriptions share them.
    """

    transport = "delta"
    incremental = True
    skips = False

    def __init__(self, sets: NameSets) -> None:
        self._sets = sets

    def subscribe(self, channel: Channel, request: DeltaRequest) -> None:
        """Apply a request's changes. A name that is subscribed to is sent, even again and unchanged."""
        before, first = channel.wants, channel.subscription is None
        subscribe, unsubscribe = request.subscribe, request.unsubscribe
        if not (first or subscribe or unsubscribe):
            return
        wants = amended(channel.subscription, subscribe, unsubscribe, legacy_wildcard=channel.type.legacy_wildcard)
        wants = self._sets.share_all(wants)
        channel.resubscribe(wants, _to_answer(before, wants, request))
        if wants.wildcard and (WILDCARD in subscribe or not before.wildcard):
            channel.restart()
            # Asking again before the first answer means sending all of it, but what is gone must still be told.
            channel.claimed = request.initial_versions if first else dict.fromkeys(channel.claimed or (), "")

    def plan(self, channel: Channel, generation: Generation, due: frozenset[str]) -> Plan | None:
        """What to send now, of the names that are `due`; None if that is nothing."""
        snapshot = generation.snapshot
        existing = snapshot.names(channel.type.url)
        due = channel.without_held(due, snapshot)
        missing = NOTHING if due <= existing else due - existing
        present = due - missing if missing else due
        if isinstance(claimed := channel.claimed, Mapping):
            missing |= channel.wants.select(frozenset(claimed.keys() - existing))
            if claimed and not channel.type.awaited:
                present = present & channel.owed | _news(snapshot.resources(channel.type.url), present, claimed)
        if present or missing or channel.whole:
            return Plan(snapshot, present, missing, fresh=present)
        return None

    def accept(self, channel: Channel, sent: Sent) -> None:
        """Nothing follows: what was sent counts as held by the client until it is rejected."""

    def reject(self, channel: Channel, answered: Sequence[Sent], request: DeltaRequest, rejection: Rejection) -> None:
        """Hold what was rejected; a rejected response took its removals with it."""
        sent = answered[-1]
        hold_or_suspect(channel, sent, rejection)
        if sent.response.names:
            channel.owe(sent.response.removed)

    def isolate(self, channel: Channel, generation: Generation, suspects: frozenset[str]) -> Plan | None:
        """What to send to find out whether there is a bad one among `suspects`; None if none can be sent any more."""
        existing = suspects & generation.snapshot.names(channel.type.url)
        names = channel.without_held(existing, generation.snapshot)
        if not names:
            channel.acquit()
            return None
        return Plan(generation.snapshot, names, fresh=names)


def _to_answer(before: Subscription, wants: Subscription, request: DeltaRequest) -> frozenset[str]:
    """Names that this request must be answered with.

    Unsubscribing from a name under a wildcard is such a question too: the client cannot know whether the wildcard
    covers it. https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#unsubscribing-from-resources
    """
    named, unsubscribe = wants.named(request.subscribe), request.unsubscribe
    if not (wants.wildcard and unsubscribe):
        return named
    return named | (before.named(unsubscribe) | unsubscribe & request.subscribe) - {WILDCARD, ""}


def _news(known: Mapping[str, Resource], names: frozenset[str], claimed: Mapping[str, str]) -> frozenset[str]:
    """Of these names, those that the client does not hold in their current version."""
    return frozenset(name for name in names if claimed.get(name) != known[name].version)
