"""Builds the clusters and assignments of services, and only those whose service changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.diff import Diff
from bridge.merge import Service, weigh
from bridge.model import ServiceName
from bridge.resources.assignment import Fragments, eligible, encode, preferring
from bridge.resources.flavour import PLAIN, EdsServer, Flavour, discovery
from bridge.resources.template import Templates
from bridge.resources.wire import text
from xds import CLUSTER, ENDPOINT, Resource, ResourceType, Snapshot, content_version


@dataclass(slots=True)
class _Made:
    """What was made of a service: once, for whoever wants the same."""

    service: Service
    fragments: Fragments
    clusters: dict[EdsServer | None, Resource] = field(default_factory=dict)
    assignments: dict[str, Resource] = field(default_factory=dict)
    """By the region that is preferred, where that makes a difference."""


class ResourceBuilder:
    """Turns services into Envoy's words. Holds what it made of the services that exist, and nothing else.

    Args:
        defaults: native fields of `envoy.config.cluster.v3.Cluster`, for every cluster.
        rules: globs of service names, each with fields laid over the defaults; the first match wins.

    Raises:
        ConfigError: a template is not one that Envoy takes; the message names its key path.
    """

    def __init__(self, defaults: Mapping[str, object], rules: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        self._templates = Templates(defaults, rules)
        self._discovery: dict[EdsServer | None, bytes] = {}
        self._made: dict[ServiceName, _Made] = {}

    def apply(self, snapshot: Snapshot, diff: Diff[ServiceName, Service], flavour: Flavour = PLAIN) -> Snapshot:
        """The snapshot with the changes of `diff`; the same object when no byte differs.

        Each resource has the name of its service. A service without endpoints keeps its cluster and has an empty
        assignment. A removed service takes both with it.

        Applied to several snapshots, a change is encoded once for all of the same flavour, and of what does not depend
        on the flavour once for all.

        Raises:
            ValueError: the name of a service cannot name a cluster (it is empty, or not Unicode).
        """
        made = [self._making(service) for services in (diff.added, diff.changed) for service in services.values()]
        for name in diff.removed:
            self._made.pop(name, None)
        clusters = (self._cluster(each, flavour.eds) for each in made)
        assignments = (self._assignment(each, flavour.region) for each in made)
        return _updated(_updated(snapshot, CLUSTER, clusters, diff.removed), ENDPOINT, assignments, diff.removed)

    def _making(self, service: Service) -> _Made:
        """What was made of this state of a service so far."""
        known = self._made.get(service.name)
        if known is None or known.service is not service:
            known = self._made[service.name] = _Made(service, known.fragments if known else {})
        return known

    def _cluster(self, made: _Made, eds: EdsServer | None) -> Resource:
        cluster = made.clusters.get(eds)
        if cluster is None:
            cluster = made.clusters[eds] = self._new_cluster(made.service, eds)
        return cluster

    def _new_cluster(self, service: Service, eds: EdsServer | None) -> Resource:
        if not service.name:
            raise ValueError("a service without a name cannot become a cluster")
        if eds not in self._discovery:
            self._discovery[eds] = discovery(eds)
        template = self._templates.find(service.name).encoded[service.protocol]
        body = text(1, service.name) + self._discovery[eds] + template
        return Resource(service.name, body, content_version(body), requires=(service.name,))

    def _assignment(self, made: _Made, region: str) -> Resource:
        service = made.service
        endpoints = preferring(region, service.endpoints)
        key = "" if endpoints is service.endpoints else region
        assignment = made.assignments.get(key)
        if assignment is None:
            if key and service.ruling.shares:  # they hold in each priority, and the region has made others
                endpoints = weigh(endpoints, service.ruling.shares)
            chosen = eligible(endpoints, self._templates.find(service.name).panic_threshold)
            body, made.fragments = encode(service.name, chosen, made.fragments)
            assignment = made.assignments[key] = Resource(service.name, body, content_version(body))
        return assignment


def _updated(
    snapshot: Snapshot, kind: ResourceType, resources: Iterable[Resource], removed: Iterable[ServiceName]
) -> Snapshot:
    held = snapshot.resources(kind.url)
    changed = [resource for resource in resources if held.get(resource.name) != resource]
    gone = [name for name in removed if name in held]
    return snapshot.replace(kind.url, changed, gone) if changed or gone else snapshot
