"""From what Consul says of a service's instances to what the bridge says of its endpoints: pure functions.

The rules are Consul's own where it has some, such as DNS answers for an instance with a warning.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from adapters._address import one_per_address
from adapters.consul.config import Config, WarningHealth
from adapters.consul.payload import Catalog, Check, HealthEntry
from bridge.labels import Labels, ServiceReference, parse
from bridge.model import (
    MAX_WEIGHT,
    Endpoint,
    Entry,
    Health,
    InstanceId,
    Locality,
    ServiceName,
    SetAside,
    canonical_address,
)

CANARY = "consul"
"""The service that every datacenter has: the servers themselves. Who cannot see it cannot see much."""

# They carry the mesh's traffic and speak its mutual TLS; the catalog lists them among the services.
_MESH_KINDS = frozenset({"connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"})

Targets = Mapping[ServiceName, frozenset[Entry]]
"""The bridge's services that one Consul service stands for, with their entries."""


def selected(catalog: Catalog, config: Config) -> frozenset[str]:
    """The names that the configuration asks for and that some instance may satisfy."""
    return frozenset(
        name
        for name, tags in catalog.items()
        if name != CANARY and _wanted(name, config) and set(config.tags) <= {*tags}
    )


def _wanted(name: str, config: Config) -> bool:
    services = config.services
    return _matches(name, services.include) and not _matches(name, services.exclude)


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


@dataclass(frozen=True, slots=True)
class Mapper:
    """Translates the answers about the services of one datacenter."""

    config: Config
    datacenter: str

    def service_name(self, name: str) -> ServiceName:
        """What the bridge calls a Consul service whose instances do not rename it."""
        return ServiceName(
            self.config.service_name.replace("{service}", name).replace("{datacenter}", self.datacenter),
        )

    def matching(self, name: str, entries: Sequence[HealthEntry]) -> tuple[HealthEntry, ...]:
        """The instances that are meant: Consul looks a name up without regard to case."""
        tags = set(self.config.tags)
        return tuple(entry for entry in entries if entry.service.service == name and tags <= {*entry.service.tags})

    def targets(self, name: str, entries: Sequence[HealthEntry]) -> Targets:
        """The services behind the instances of one Consul service; none when all of them are the mesh's own."""
        found: dict[ServiceName, list[Entry]] = {}
        served = [entry for entry in entries if not self.meshed(entry)]
        scale = _weight_scale(served)
        for entry in served:
            for target, mapped in self._instance(name, entry, scale):
                found.setdefault(target, []).append(mapped)
        return {target: one_per_address(mapped) for target, mapped in found.items()}

    def entries(
        self, name: str, entry: HealthEntry, served: Sequence[HealthEntry]
    ) -> Iterator[tuple[ServiceName, Entry]]:
        """What one instance comes to in each service that it serves, among all that are served with it."""
        return self._instance(name, entry, _weight_scale(served))

    def meshed(self, entry: HealthEntry) -> bool:
        """Whether an instance is the mesh's own, which serves nobody else."""
        return entry.service.kind in _MESH_KINDS

    def _instance(self, name: str, entry: HealthEntry, scale: float) -> Iterator[tuple[ServiceName, Entry]]:
        default = ServiceReference(self.service_name(name))
        try:
            labels = parse(entry.service.meta, self.config.label_prefix)
        except ValueError as error:
            yield default.name, _set_aside(entry, _reported(entry, self.config), str(error))
            return
        for reference in labels.services or (default,):
            yield reference.name, self._entry(entry, labels, reference, scale)

    def _entry(self, entry: HealthEntry, labels: Labels, reference: ServiceReference, scale: float) -> Entry:
        address, port = _address(entry, self.config.tagged_address)
        port = reference.port or port
        if not labels.enabled:
            return _set_aside(entry, f"{address}:{port}", f"its {self.config.label_prefix}enable is false")
        health, weight = _health_and_weight(entry, self.config.warning, scale)
        try:
            return Endpoint(
                address=canonical_address(address),
                port=port,
                health=health,
                weight=labels.weight or weight,
                locality=self._locality(entry, labels),
                metadata=labels.metadata,
                instance=_instance_id(entry),
                protocol=labels.protocol,
            )
        except ValueError as error:
            return _set_aside(entry, f"{address}:{port}", str(error))

    def _locality(self, entry: HealthEntry, labels: Labels) -> Locality:
        places = [place for place in (entry.service.locality, entry.node.locality) if place]
        regions = (place.region for place in places)
        zones = (place.zone for place in places)
        datacenter = entry.node.datacenter or self.datacenter
        return Locality(
            region=labels.region or _first(regions) or _meta(entry, self.config.region_meta) or datacenter,
            zone=labels.zone or _first(zones) or _meta(entry, self.config.zone_meta),
        )


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")


def _meta(entry: HealthEntry, keys: Sequence[str]) -> str:
    return _first(meta.get(key, "") for meta in (entry.service.meta, entry.node.meta) for key in keys)


def _instance_id(entry: HealthEntry) -> InstanceId:
    # A service's id is unique on its node only, and a node that no agent runs on has no id but its name.
    return InstanceId(f"{entry.node.node}/{entry.service.id}")


def _set_aside(entry: HealthEntry, reported: str, reason: str) -> SetAside:
    where = f"instance {entry.service.id[:100]!r} on node {entry.node.node[:100]!r}"
    return SetAside(_instance_id(entry), reported, f"{where}: {reason}")


def _reported(entry: HealthEntry, config: Config) -> str:
    address, port = _address(entry, config.tagged_address)
    return f"{address}:{port}"


def _address(entry: HealthEntry, tagged: str | None) -> tuple[str, int]:
    """The address as it stands, with the port that belongs to it."""
    service, node = entry.service, entry.node
    if tagged is not None and tagged in service.tagged_addresses:
        chosen = service.tagged_addresses[tagged]
        return chosen.address, chosen.port or service.port
    return service.address or node.tagged_addresses.get(tagged or "", "") or node.address, service.port


def _weight_scale(entries: Sequence[HealthEntry]) -> float:
    """What brings the weights of a service under Envoy's highest while the shares stay as they are."""
    weights = [max(entry.service.weights.passing, entry.service.weights.warning) for entry in entries]
    return min(1.0, MAX_WEIGHT / max([1, *weights]))


def _health_and_weight(entry: HealthEntry, warning: WarningHealth, scale: float) -> tuple[Health, int]:
    weights = entry.service.weights
    health = _health(entry.checks)
    if health is not Health.DEGRADED:
        return health, _scaled(weights.passing, scale)
    if weights.warning < 1:
        return Health.UNHEALTHY, 1  # so Consul's DNS does: a warning with no weight takes no traffic
    return Health(warning.value), _scaled(weights.warning, scale)


def _scaled(weight: int, scale: float) -> int:
    return max(1, round(weight * scale))


def _health(checks: Sequence[Check]) -> Health:
    """The worst that any check says; DEGRADED stands for a warning here."""
    if any(_is_maintenance(check) for check in checks):
        return Health.DRAINING
    states = {check.status for check in checks}
    if "critical" in states:
        return Health.UNHEALTHY
    if states - {"passing", "warning"}:
        return Health.UNKNOWN
    return Health.DEGRADED if "warning" in states else Health.HEALTHY


def _is_maintenance(check: Check) -> bool:
    return check.check_id == "_node_maintenance" or check.check_id.startswith("_service_maintenance:")
