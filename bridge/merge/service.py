"""A service put together: its endpoints by the policy, and the protocol that they agree on."""

from collections.abc import Sequence

from bridge.merge.model import MergePolicy, Report, ServedEndpoint, Service, Vote
from bridge.model import ServiceName


def merged(
    name: ServiceName, reports: Sequence[Report], policy: MergePolicy, old: Service | None, now: float
) -> Service:
    """The service that the reports amount to.

    Whoever reports an address that is served, and says what is spoken there, has a vote on the protocol.

    Args:
        name: of the service.
        reports: grouped by source, sources in the order of the configuration.
        policy: how they are merged.
        old: what they amounted to the last time; None the first time.
        now: seconds on the monotonic clock.
    """
    outcome = policy(reports, old.ruling if old else None, now)
    votes = _votes(reports, outcome.endpoints)
    asked = {vote.protocol for vote in votes}
    agreed = old.protocol if old else None
    if len(asked) == 1:
        agreed = next(iter(asked))
    return Service(name, outcome.endpoints, agreed, votes if len(asked) > 1 else frozenset(), outcome.ruling)


def _votes(reports: Sequence[Report], endpoints: Sequence[ServedEndpoint]) -> frozenset[Vote]:
    asking = [(report.endpoint.protocol, report) for report in reports if report.endpoint.protocol]
    if not asking:  # nearly always
        return frozenset()
    served = {each.endpoint.key for each in endpoints}
    return frozenset(
        Vote(protocol, report.origin.source) for protocol, report in asking if report.endpoint.key in served
    )
