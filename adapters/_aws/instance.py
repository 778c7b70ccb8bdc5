"""Instances and zones of EC2, as far as any source reads them; their fields are named and filled as in its answers.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html
"""

from pydantic import ConfigDict
from pydantic.alias_generators import to_pascal
from pydantic.dataclasses import dataclass

EC2 = ConfigDict(alias_generator=to_pascal, validate_by_name=True)
"""How answers of EC2 name things. AWS leaves out what it has nothing to say about."""


@dataclass(frozen=True, slots=True, config=EC2)
class Tag:
    """A tag of an instance."""

    key: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True, config=EC2)
class State:
    """What an instance is doing."""

    name: str = ""


@dataclass(frozen=True, slots=True, config=EC2)
class Placement:
    """Where an instance runs."""

    availability_zone: str = ""
    availability_zone_id: str = ""


@dataclass(frozen=True, slots=True, config=EC2)
class Ipv6:
    """One of the IPv6 addresses of a network interface."""

    ipv6_address: str = ""
    is_primary_ipv6: bool = False


@dataclass(frozen=True, slots=True, config=EC2)
class Association:
    """The public address of a network interface."""

    public_ip: str = ""


@dataclass(frozen=True, slots=True, config=EC2)
class Attachment:
    """How a network interface is attached."""

    device_index: int = -1
    network_card_index: int = 0


@dataclass(frozen=True, slots=True, config=EC2)
class Interface:
    """A network interface of an instance."""

    private_ip_address: str = ""
    association: Association = Association()
    attachment: Attachment = Attachment()
    ipv6_addresses: tuple[Ipv6, ...] = ()


@dataclass(frozen=True, slots=True, config=EC2)
class Instance:
    """An instance, without all that changes by itself."""

    instance_id: str
    state: State = State()
    placement: Placement = Placement()
    private_ip_address: str = ""
    public_ip_address: str = ""
    ipv6_address: str = ""
    network_interfaces: tuple[Interface, ...] = ()
    tags: tuple[Tag, ...] = ()
    instance_type: str = ""
    subnet_id: str = ""
    vpc_id: str = ""
    instance_lifecycle: str = ""
    """`spot` and the like; empty for an instance on demand."""

    def tag(self, key: str) -> str | None:
        """The value of a tag, whose key is compared letter by letter; None where there is none."""
        return next((tag.value for tag in self.tags if tag.key == key), None)


@dataclass(frozen=True, slots=True, config=EC2)
class Zone:
    """The two names of an availability zone."""

    zone_name: str
    zone_id: str = ""
