"""What EC2 has of a service or an address, and which tag, state or filter made what of it.

What is known is told as it is known; what the source's filters hide is asked for when a person wants to know.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from adapters._aws import Api
from adapters._aws.instance import Instance
from adapters.ec2 import payload
from adapters.ec2.config import AddressKind
from adapters.ec2.mapping import Mapped, Mapper
from bridge.model import InstanceId, Scope
from bridge.provenance import Question, Search, Sighting, Verdict, bounded, seen

_PAGE = 100
_ADDRESS_FILTERS: Mapping[AddressKind, str] = {
    AddressKind.PRIVATE: "private-ip-address",
    AddressKind.PUBLIC: "ip-address",
    AddressKind.IPV6: "network-interface.ipv6-addresses.ipv6-address",
}


def tell(search: Search, scope: Scope, mapper: Mapper, known: Iterable[tuple[Instance, Mapped]]) -> None:
    """Tell what there is among the instances that are known, each with what it was made of it."""
    for instance, mapped in known:
        names, addresses = (*(str(name) for name, _ in mapped), *_called(instance)), _addresses(instance)
        for sighting in _sightings(scope, mapper, instance, mapped):
            port = sighting.reported.rpartition(":")[2]
            if search.wants(names, addresses, int(port) if port.isdecimal() else None):
                search.add(sighting)


def tell_hidden(search: Search, scope: Scope, mapper: Mapper, found: Sequence[Instance], known: frozenset[str]) -> None:
    """Tell of instances that the source does not know, and why it does not."""
    for instance in found:
        if instance.instance_id not in known and search.wants((search.question.service,), _addresses(instance)):
            reason = _hidden(mapper, instance)
            search.add(_left_out(scope, instance, _named(mapper, instance), reason))


async def hidden(api: Api, mapper: Mapper, question: Question) -> AsyncIterator[Instance]:
    """What EC2 has of what is asked about, whatever the source's own filters say: one call, or a few for many.

    Raises:
        AwsError: it cannot be asked.
    """
    if question.key is None:
        wanted = {"Name": f"tag:{mapper.service_tag}", "Values": [f"*{_literal(question.service)}*"]}
    else:
        wanted = {"Name": _ADDRESS_FILTERS[mapper.config.address], "Values": [question.key.address]}
    parameters = {"Filters": [wanted], "MaxResults": _PAGE}
    async for page in api.pages("ec2", "DescribeInstances", parameters, expect=["Reservations"]):
        for instance in payload.instances(page):
            if isinstance(instance, Instance) and (question.key or question.service in _named(mapper, instance)):
                yield instance


def _sightings(scope: Scope, mapper: Mapper, instance: Instance, mapped: Mapped) -> Iterator[Sighting]:
    state = instance.state.name
    if not mapped:
        tag = mapper.service_tag
        yield _left_out(scope, instance, (), f"its tag {tag!r} names no service: {instance.tag(tag) or ''!r}")
    for service, entry in mapped:
        if entry is None:
            why = "Auto Scaling has not put it in service yet" if state == "running" else f"its state is {state!r}"
            yield _left_out(scope, instance, (service,), f"{why}, so there is nothing to serve")
        else:
            sighting = seen(entry, scope, service, _raw(instance))
            yield replace(sighting, services=(service,))


def _hidden(mapper: Mapper, instance: Instance) -> str:
    tag, config = mapper.service_tag, mapper.config
    if instance.tag(tag) is None:
        return f"it has no tag {tag!r}"
    if instance.state.name == "terminated":
        return "its state is 'terminated', so there is nothing to serve"
    if not config.filters:
        return "it is newer than what was read last"
    filters = " and ".join(f"{name} = {' or '.join(values)}" for name, values in sorted(config.filters.items()))
    return f"`filters` of the source do not select it: {filters}"


def _left_out(scope: Scope, instance: Instance, services: tuple[str, ...], reason: str) -> Sighting:
    reported = next(iter(_addresses(instance)), "")
    identity = InstanceId(instance.instance_id)
    return Sighting(scope, identity, services, reported, Verdict.LEFT_OUT, reason, _raw(instance))


def _named(mapper: Mapper, instance: Instance) -> tuple[str, ...]:
    """The services that its tag names, well written or not."""
    words = (instance.tag(mapper.service_tag) or "").replace(",", " ").split()
    return tuple(word.rpartition(":")[0] or word for word in words)


def _called(instance: Instance) -> tuple[str, ...]:
    """What people call it by."""
    return tuple(filter(None, (instance.instance_id, instance.tag("Name"))))


def _addresses(instance: Instance) -> tuple[str, ...]:
    own = [instance.private_ip_address, instance.public_ip_address, instance.ipv6_address]
    for interface in instance.network_interfaces:
        own += [interface.private_ip_address, interface.association.public_ip]
        own += [address.ipv6_address for address in interface.ipv6_addresses]
    return tuple(dict.fromkeys(filter(None, own)))


def _raw(instance: Instance) -> tuple[tuple[str, str], ...]:
    said = {"(state)": instance.state.name, "(zone)": instance.placement.availability_zone}
    return bounded([*((tag.key, tag.value) for tag in instance.tags), *said.items()])


def _literal(text: str) -> str:
    """A text in which no character means something to a filter."""
    return "".join(f"\\{character}" if character in "*?\\" else character for character in text)
