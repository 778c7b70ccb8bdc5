"""From what AWS says of an instance to what the bridge says of its endpoints: pure functions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adapters._aws.instance import Instance, Interface
from adapters.ec2.config import AddressKind, Config, Fact
from bridge.labels import Labels, ServiceReference, parse
from bridge.model import (
    Endpoint,
    Entry,
    Health,
    InstanceId,
    Locality,
    ServiceName,
    SetAside,
    canonical_address,
    require_service_name,
)

ENDED = frozenset({"stopped", "terminated"})
"""States of instances that serve nothing any more."""

LEAVING = frozenset({"stopping", "shutting-down"})
"""States in which what was begun may be finished."""

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html; None: nothing to serve
_STATES: Mapping[str, Health | None] = MappingProxyType(
    {
        "pending": None,
        "running": Health.HEALTHY,
        **dict.fromkeys(LEAVING, Health.DRAINING),
        **dict.fromkeys(ENDED),
    }
)

# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html, by how they begin
_LIFECYCLES: Mapping[str, Health | None] = MappingProxyType(
    {
        "Warmed": None,  # in a warm pool an instance may run and must get no traffic
        "Pending": None,
        "Terminat": Health.DRAINING,
        "Detaching": Health.DRAINING,
        "EnteringStandby": Health.DRAINING,
        "Standby": Health.DRAINING,
    }
)

KNOWN_STATES = frozenset(_STATES)


@dataclass(frozen=True, slots=True)
class Sight:
    """All that is known of one instance."""

    instance: Instance
    impaired: bool = False
    """A status check of EC2 fails."""
    lifecycle: str = ""
    """What Auto Scaling does with it; empty where nobody asked, or where it is no instance of Auto Scaling's."""
    zone_id: str = ""
    """Of its zone, where zone ids are wanted."""
    leaving: bool = False
    """It was said to be about to end."""


Mapped = tuple[tuple[ServiceName, Entry | None], ...]
"""Services of an instance, each with what it contributes; None for nothing, which is not the same as no service."""


@dataclass(frozen=True, slots=True)
class Mapper:
    """Translates the instances of one region."""

    config: Config
    region: str

    @property
    def service_tag(self) -> str:
        """The key of the tag that an instance must have to be looked at."""
        return f"{self.config.label_prefix}service"

    def mapped(self, sight: Sight) -> Mapped:
        """What an instance serves; nothing when it has ended for good or names no service that could be."""
        instance = sight.instance
        if instance.state.name == "terminated":
            return ()
        try:
            labels = parse({tag.key: tag.value for tag in instance.tags}, self.config.label_prefix)
        except ValueError as error:
            return tuple(
                (name, _set_aside(sight, self._address(instance), str(error))) for name in self._names(instance)
            )
        return tuple((reference.name, self._entry(sight, labels, reference)) for reference in labels.services)

    def _names(self, instance: Instance) -> Iterator[ServiceName]:
        """The services that an instance with wrong tags most likely means."""
        for item in dict.fromkeys(re.split(r"[\s,]+", instance.tag(self.service_tag) or "")):
            name = item.rpartition(":")[0] if ":" in item else item
            try:
                require_service_name(name)
            except ValueError:
                continue
            yield ServiceName(name)

    def _entry(self, sight: Sight, labels: Labels, reference: ServiceReference) -> Entry | None:
        address = self._address(sight.instance)
        reported = f"{address}:{reference.port or ''}"
        if sight.instance.state.name in KNOWN_STATES and _health(sight) is None:
            return None
        if obstacle := self._obstacle(sight, labels, reference, address):
            return _set_aside(sight, reported, obstacle)
        try:
            return Endpoint(
                address=canonical_address(address),
                port=reference.port or 0,
                health=_health(sight) or Health.UNKNOWN,
                weight=labels.weight or 1,
                locality=self._locality(sight, labels),
                metadata=self._metadata(sight.instance, labels),
                instance=InstanceId(sight.instance.instance_id),
                protocol=labels.protocol,
            )
        except ValueError as error:
            return _set_aside(sight, reported, str(error))

    def _obstacle(self, sight: Sight, labels: Labels, reference: ServiceReference, address: str) -> str:
        """What keeps an instance from being an endpoint; empty when nothing does."""
        state = sight.instance.state.name
        if state not in KNOWN_STATES:
            return f"its state {state[:60]!r} is none that the bridge knows"
        if not labels.enabled:
            return f"its {self.config.label_prefix}enable is false"
        if reference.port is None:
            return f"its {self.service_tag} names no port; write it like {f'{reference.name}:8080'!r}"
        return "" if address else f"it has no {self._wanted_address()}"

    def _locality(self, sight: Sight, labels: Labels) -> Locality:
        placement = sight.instance.placement
        zone = placement.availability_zone_id or sight.zone_id if self.config.zone_ids else placement.availability_zone
        return Locality(region=labels.region or self.region, zone=labels.zone or zone)

    def _metadata(self, instance: Instance, labels: Labels) -> tuple[tuple[str, str], ...]:
        facts = {
            Fact.INSTANCE_ID: instance.instance_id,
            Fact.TYPE: instance.instance_type,
            Fact.SUBNET: instance.subnet_id,
            Fact.VPC: instance.vpc_id,
            Fact.LIFECYCLE: instance.instance_lifecycle,
        }
        chosen = {fact.value: facts[fact] for fact in self.config.metadata if facts[fact]}
        return tuple(sorted({**chosen, **dict(labels.metadata)}.items()))

    def _address(self, instance: Instance) -> str:
        if self.config.device_index is None:
            return _own_address(instance, self.config.address)
        for interface in instance.network_interfaces:
            attachment = interface.attachment
            if (attachment.network_card_index, attachment.device_index) == (0, self.config.device_index):
                return _interface_address(interface, self.config.address)
        return ""

    def _wanted_address(self) -> str:
        kind = {AddressKind.PRIVATE: "private IPv4", AddressKind.PUBLIC: "public IPv4", AddressKind.IPV6: "IPv6"}
        where = "" if self.config.device_index is None else f" at device index {self.config.device_index}"
        return f"{kind[self.config.address]} address{where}"


def _own_address(instance: Instance, kind: AddressKind) -> str:
    if kind is AddressKind.PRIVATE:
        return instance.private_ip_address
    if kind is AddressKind.PUBLIC:
        return instance.public_ip_address
    addresses = [address for interface in instance.network_interfaces for address in interface.ipv6_addresses]
    primary = (address.ipv6_address for address in addresses if address.is_primary_ipv6)
    return next(primary, "") or instance.ipv6_address or next((address.ipv6_address for address in addresses), "")


def _interface_address(interface: Interface, kind: AddressKind) -> str:
    if kind is AddressKind.PRIVATE:
        return interface.private_ip_address
    if kind is AddressKind.PUBLIC:
        return interface.association.public_ip
    # False goes before True, and among equals the first one comes first.
    addresses = sorted(interface.ipv6_addresses, key=lambda address: not address.is_primary_ipv6)
    return addresses[0].ipv6_address if addresses else ""


def _health(sight: Sight) -> Health | None:
    """None where there is nothing to serve, or not yet."""
    health = _STATES[sight.instance.state.name]
    if health is not Health.HEALTHY:
        return health
    for beginning, meaning in _LIFECYCLES.items():
        if sight.lifecycle.startswith(beginning):
            return meaning
    if sight.leaving:
        return Health.DRAINING
    return Health.UNHEALTHY if sight.impaired else Health.HEALTHY


def _set_aside(sight: Sight, reported: str, reason: str) -> SetAside:
    identity = sight.instance.instance_id
    return SetAside(InstanceId(identity), reported, f"instance {identity[:100]}: {reason}")
