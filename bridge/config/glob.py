"""Which globs of the configuration count for which services, and which for none: one that does nothing is a mistake."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bridge.config.service import ServiceRule
from bridge.config.view import ViewRule
from bridge.model import ServiceName

NOTHING = "no service has such a name"
SHADOWED = "every service that it matches falls under an earlier rule"


@dataclass(frozen=True, slots=True)
class UnmatchedGlob:
    """A glob for names of services that counts for none."""

    where: str
    """Its key, such as `services[0].match`."""
    glob: str
    reason: str
    """Why it counts for none, for people."""


def first_match(rules: Sequence[ServiceRule], service: ServiceName) -> int | None:
    """The place of the rule that counts for a service; None when none does."""
    return next((place for place, rule in enumerate(rules) if rule.matches(service)), None)


def unmatched(
    rules: Sequence[ServiceRule], views: Sequence[ViewRule], services: Collection[ServiceName]
) -> Iterator[UnmatchedGlob]:
    """The globs that count for none of these services, in the order of the file."""
    counting = {first_match(rules, service) for service in services}
    for place, rule in enumerate(rules):
        if place not in counting:
            shadowed = any(rule.matches(service) for service in services)
            yield UnmatchedGlob(f"services[{place}].match", rule.match, SHADOWED if shadowed else NOTHING)
    for place, view in enumerate(views):
        for index, glob in enumerate(view.services):
            if glob != "*" and not any(fnmatchcase(service, glob) for service in services):
                yield UnmatchedGlob(f"views[{place}].services[{index}]", glob, NOTHING)
