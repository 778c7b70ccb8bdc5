"""What sources report of one service, written short: for tests of merge policies."""

from collections.abc import Mapping, Sequence

from bridge.merge import Origin, Outcome, Report
from bridge.model import Endpoint, Health, InstanceId, Locality, Scope, SourceName, UpstreamProtocol

HEALTHS = {"h": Health.HEALTHY, "?": Health.UNKNOWN, "d": Health.DEGRADED, "u": Health.UNHEALTHY, "x": Health.DRAINING}
"""A letter for each health."""


def report(
    source: str,
    address: str,
    health: Health = Health.HEALTHY,
    *,
    instance: str = "i",
    weight: int = 1,
    region: str = "",
    protocol: UpstreamProtocol | None = None,
) -> Report:
    """One endpoint as a source reports it, on port 80."""
    endpoint = Endpoint(address, 80, health, weight, Locality(region), instance=InstanceId(instance), protocol=protocol)
    return Report(endpoint, Origin(SourceName(source), Scope("s"), InstanceId(instance), 0.0))


def reports(healths: Mapping[str, str]) -> list[Report]:
    """The reports of several sources in this order: a letter of `HEALTHS` for each endpoint, no address twice.

    The second endpoint of the first source is 10.0.0.1, the third of the second 10.0.1.2.
    """
    return [
        report(source, f"10.0.{place}.{number}", HEALTHS[letter])
        for place, (source, letters) in enumerate(healths.items())
        for number, letter in enumerate(letters)
    ]


def addresses(outcome: Outcome) -> list[str]:
    """What is served."""
    return [each.endpoint.address for each in outcome.endpoints]


def sources(outcome: Outcome) -> set[str]:
    """Whose word is served."""
    return {each.origins[0].source for each in outcome.endpoints}


def shares(outcome: Outcome, healths: Sequence[Health] = (Health.HEALTHY, Health.UNKNOWN)) -> dict[str, float]:
    """The part of the requests that Envoy gives each source, when it picks among endpoints of these healths."""
    picked = [each for each in outcome.endpoints if each.endpoint.health in healths]
    total = sum(each.weight or 0 for each in picked)
    found: dict[str, float] = {}
    for each in picked:
        found[each.origins[0].source] = found.get(each.origins[0].source, 0.0) + (each.weight or 0) / total
    return found
