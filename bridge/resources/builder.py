"""Builds the clusters and assignments of services, and only those whose service changed."""

from collections.abc import Iterable, Mapping, Sequence

from bridge.diff import Diff
from bridge.merge import Service
from bridge.model import ServiceName
from bridge.resources.assignment import Fragments, eligible, encode
from bridge.resources.template import Templates
from bridge.resources.wire import text
from xds import CLUSTER, ENDPOINT, Resource, ResourceType, Snapshot, content_version


class ResourceBuilder:
    """Turns services into Envoy's words. Holds the encoded endpoints of the services that exist, and nothing else.

    Args:
        defaults: native fields of `envoy.config.cluster.v3.Cluster`, for every cluster.
        rules: globs of service names, each with fields laid over the defaults; the first match wins.

    Raises:
        ConfigError: a template is not one that Envoy takes; the message names its key path.
    """

    def __init__(self, defaults: Mapping[str, object], rules: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        self._templates = Templates(defaults, rules)
        self._fragments: dict[ServiceName, Fragments] = {}

    def apply(self, snapshot: Snapshot, diff: Diff[ServiceName, Service]) -> Snapshot:
        """The snapshot with the changes of `diff`; the same object when no byte differs.

        A service without endpoints keeps its cluster and has an empty assignment. A removed service takes both with it.

        Raises:
            ValueError: the name of a service cannot name a cluster (it is empty, or not Unicode).
        """
        services = [*diff.added.values(), *diff.changed.values()]
        for name in diff.removed:
            self._fragments.pop(name, None)
        snapshot = _updated(snapshot, CLUSTER, map(self._cluster, services), diff.removed)
        return _updated(snapshot, ENDPOINT, map(self._assignment, services), diff.removed)

    def _cluster(self, service: Service) -> Resource:
        if not service.name:
            raise ValueError("a service without a name cannot become a cluster")
        body = text(1, service.name) + self._templates.find(service.name).encoded[service.protocol]
        return Resource(service.name, body, content_version(body), requires=(service.name,))

    def _assignment(self, service: Service) -> Resource:
        threshold = self._templates.find(service.name).panic_threshold
        endpoints = eligible(service.endpoints, threshold)
        body, fragments = encode(service.name, endpoints, self._fragments.get(service.name, {}))
        self._fragments[service.name] = fragments
        return Resource(service.name, body, content_version(body))


def _updated(
    snapshot: Snapshot, kind: ResourceType, resources: Iterable[Resource], removed: Iterable[ServiceName]
) -> Snapshot:
    held = snapshot.resources(kind.url)
    changed = [resource for resource in resources if held.get(resource.name) != resource]
    gone = [name for name in removed if name in held]
    return snapshot.replace(kind.url, changed, gone) if changed or gone else snapshot
