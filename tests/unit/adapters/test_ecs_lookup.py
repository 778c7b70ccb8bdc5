from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters._aws import AwsError, Kind
from adapters._aws.instance import Association, Instance, State, Zone
from adapters.ecs.address import Surroundings
from adapters.ecs.config import AddressType, Config
from adapters.ecs.lookup import ADDRESSES_FOR, REFUSED_FOR, ZONES_FOR, Lookup
from adapters.ecs.payload import ContainerInstance, Interface, Machine, Task
from support.ecs import CLUSTER, definition, definition_arn, task
from support.ecs_reads import MemoryReads

DENIED = AwsError("denied", Kind.DENIED, "AccessDeniedException")
UNAVAILABLE = AwsError("away", Kind.UNAVAILABLE, "ServerException")
REJECTED = AwsError("no such revision", Kind.REJECTED, "ClientException")
INTERFACE = [{"type": "ElasticNetworkInterface", "details": [{"name": "networkInterfaceId", "value": "eni-1"}]}]


@pytest.fixture
def reads() -> MemoryReads:
    reads = MemoryReads()
    for name, mode in (("web:1", "awsvpc"), ("db:1", "bridge"), ("agent:1", "host")):
        reads.definitions[definition_arn(name)] = definition(name, mode=mode)
    reads.instances_by_arn["ci1"] = ContainerInstance("ci1", "i-1")
    reads.hosts["i-1"] = Instance("i-1", private_ip_address="10.1.0.1", public_ip_address="54.0.0.1")
    reads.addresses["eni-1"] = Interface("eni-1", association=Association("54.0.0.9"))
    reads.zone_list = (Zone("eu-west-1a", "euw1-az2"),)
    return reads


async def resolved(
    lookup: Lookup, reads: MemoryReads, tasks: Sequence[Task], now: float = 0.0
) -> tuple[list[str], tuple[AwsError, ...]]:
    """What was asked, and what could not be had."""
    errors = await lookup.resolve(reads, CLUSTER, tasks, now)
    return reads.operations(), errors


def surroundings(lookup: Lookup, mapped: Task) -> Surroundings:
    found = lookup.surround(mapped)
    assert isinstance(found, Surroundings), found
    return found


def host_address(lookup: Lookup, mapped: Task, kind: AddressType) -> str:
    host = surroundings(lookup, mapped).host
    assert host is not None
    return host.addresses[kind]


async def test_everything_is_asked_for_once(reads: MemoryReads) -> None:
    lookup, tasks = Lookup(Config()), [task("t1"), task("t2"), task("t3", "db:1", containerInstanceArn="ci1")]

    asked, errors = await resolved(lookup, reads, tasks)

    assert sorted(asked) == ["container_instances", "instances", "task_definition", "task_definition"]
    assert errors == ()
    assert (await resolved(lookup, reads, tasks))[0] == []
    host = surroundings(lookup, tasks[2]).host
    assert host is not None
    assert host.addresses[AddressType.PRIVATE] == "10.1.0.1"


async def test_host_of_a_task_that_serves_nothing_is_not_asked_for(reads: MemoryReads) -> None:
    """A cluster full of agents needs no rights on EC2."""
    reads.definitions[definition_arn("agent:1")] = definition("agent:1", mode="host", other="x")

    asked, _ = await resolved(Lookup(Config()), reads, [task("t1", "agent:1", containerInstanceArn="ci1")])

    assert asked == ["task_definition"]


async def test_definition_that_does_not_exist_is_a_reason_and_asked_for_again_later(reads: MemoryReads) -> None:
    lookup, tasks = Lookup(Config()), [task("t1")]
    reads.errors["task_definition"] = REJECTED

    assert await resolved(lookup, reads, tasks) == (["task_definition"], ())
    assert lookup.surround(tasks[0]) == "no such revision"
    assert (await resolved(lookup, reads, tasks, REFUSED_FOR - 1))[0] == []
    reads.errors.clear()

    assert (await resolved(lookup, reads, tasks, REFUSED_FOR))[0] == ["task_definition"]
    assert surroundings(lookup, tasks[0]).definition.family == "web"


async def test_definition_that_cannot_be_had_now_is_asked_for_at_once(reads: MemoryReads) -> None:
    lookup, tasks = Lookup(Config()), [task("t1")]
    reads.errors["task_definition"] = UNAVAILABLE

    assert await resolved(lookup, reads, tasks) == (["task_definition"], (UNAVAILABLE,))
    assert lookup.surround(tasks[0]) is None
    reads.errors.clear()

    assert await resolved(lookup, reads, tasks) == (["task_definition"], ())


async def test_definition_that_is_refused_for_another_reason_is_waited_for(reads: MemoryReads) -> None:
    lookup, tasks = Lookup(Config()), [task("t1")]
    odd = AwsError("what is this", Kind.REJECTED, "SomethingNewException")
    reads.errors["task_definition"] = odd

    assert await resolved(lookup, reads, tasks) == (["task_definition"], (odd,))
    assert lookup.surround(tasks[0]) is None


async def test_a_denial_is_not_repeated_for_every_revision(reads: MemoryReads) -> None:
    reads.errors["task_definition"] = DENIED

    asked, errors = await resolved(Lookup(Config()), reads, [task(f"t{n}", f"web:{n + 1}") for n in range(50)])

    assert (asked, errors) == (["task_definition"], (DENIED,))


async def test_an_outage_is_not_tried_for_every_revision(reads: MemoryReads) -> None:
    reads.errors["task_definition"] = UNAVAILABLE

    asked, errors = await resolved(Lookup(Config()), reads, [task(f"t{n}", f"web:{n + 1}") for n in range(50)])

    assert (len(asked), len(errors)) == (3, 3)


async def test_failure_of_one_kind_of_question_leaves_the_others(reads: MemoryReads) -> None:
    lookup, tasks = Lookup(Config()), [task("t1"), task("t2", "db:1", containerInstanceArn="ci1")]
    reads.errors["instances"] = DENIED

    _, errors = await resolved(lookup, reads, tasks)

    assert errors == (DENIED,)
    assert surroundings(lookup, tasks[0]).definition.family == "web"
    assert surroundings(lookup, tasks[1]).host is None


async def test_public_addresses_are_read_again_and_never_lost(reads: MemoryReads) -> None:
    lookup = Lookup(Config(address=AddressType.PUBLIC))
    tasks = [task("t1", attachments=INTERFACE), task("t2", "db:1", containerInstanceArn="ci1")]
    await resolved(lookup, reads, tasks)
    assert surroundings(lookup, tasks[0]).public_address == "54.0.0.9"

    assert (await resolved(lookup, reads, tasks, ADDRESSES_FOR - 1))[0] == []
    reads.addresses.clear()
    reads.hosts["i-1"] = Instance("i-1", public_ip_address="54.0.0.2")
    asked, _ = await resolved(lookup, reads, tasks, ADDRESSES_FOR)

    assert sorted(asked) == ["instances", "interfaces"]
    assert surroundings(lookup, tasks[0]).public_address == "54.0.0.9"
    host = surroundings(lookup, tasks[1]).host
    assert host is not None
    assert host.addresses[AddressType.PUBLIC] == "54.0.0.2"


@pytest.mark.parametrize("kind", [AddressType.PUBLIC, AddressType.IPV6])
async def test_address_that_was_taken_from_a_running_host_is_gone(kind: AddressType, reads: MemoryReads) -> None:
    lookup, tasks = Lookup(Config(address=kind)), [task("t1", "db:1", containerInstanceArn="ci1")]
    told = Instance("i-1", private_ip_address="10.1.0.1")
    reads.hosts["i-1"] = replace(told, public_ip_address="54.0.0.1", ipv6_address="2001:db8::1")
    await resolved(lookup, reads, tasks)

    for number, (state, kept) in enumerate([("stopping", True), ("", True), ("running", False)], start=1):
        reads.hosts["i-1"] = replace(told, state=State(state))
        assert (await resolved(lookup, reads, tasks, number * ADDRESSES_FOR))[0] == ["instances"]
        assert bool(host_address(lookup, tasks[0], kind)) is kept


async def test_public_address_that_was_taken_from_the_interface_of_a_serving_task_is_gone(reads: MemoryReads) -> None:
    lookup = Lookup(Config(address=AddressType.PUBLIC))
    serving = task("t1", attachments=INTERFACE)
    draining = task("t1", attachments=INTERFACE, desiredStatus="STOPPED")
    await resolved(lookup, reads, [serving])

    for number, (seen, status, kept) in enumerate(
        [(draining, "in-use", True), (serving, "detaching", True), (serving, "in-use", False)], start=1
    ):
        reads.addresses["eni-1"] = Interface("eni-1", status)
        assert (await resolved(lookup, reads, [seen], number * ADDRESSES_FOR))[0] == ["interfaces"]
        assert bool(surroundings(lookup, seen).public_address) is kept


async def test_zone_ids_are_read_once_a_day(reads: MemoryReads) -> None:
    lookup, tasks = Lookup(Config(zone_ids=True)), [task("t1")]
    reads.errors["zones"] = UNAVAILABLE
    await resolved(lookup, reads, tasks)
    assert lookup.surround(tasks[0]) is None, "the name of a zone would be another zone elsewhere"
    reads.errors.clear()

    assert (await resolved(lookup, reads, tasks))[0] == ["zones"]
    assert surroundings(lookup, tasks[0]).zones == {"eu-west-1a": "euw1-az2"}
    assert (await resolved(lookup, reads, tasks, ZONES_FOR - 1))[0] == []
    assert (await resolved(lookup, reads, tasks, ZONES_FOR))[0] == ["zones"]


async def test_what_no_task_needs_is_forgotten_when_it_becomes_too_much(reads: MemoryReads) -> None:
    lookup, old, new = Lookup(Config(), kept=1), task("t1"), task("t2", "db:1", containerInstanceArn="ci1")
    await resolved(lookup, reads, [old])
    assert isinstance(lookup.surround(old), Surroundings)

    await resolved(lookup, reads, [new])

    assert lookup.surround(old) is None
    assert surroundings(lookup, new).host is not None


async def test_public_address_that_is_given_later_is_found_at_once(reads: MemoryReads) -> None:
    lookup = Lookup(Config(address=AddressType.PUBLIC))
    tasks = [task("t1", attachments=INTERFACE), task("t2", "db:1", containerInstanceArn="ci1")]
    reads.addresses["eni-1"] = Interface("eni-1")
    reads.hosts["i-1"] = Instance("i-1", private_ip_address="10.1.0.1")
    await resolved(lookup, reads, tasks)
    assert surroundings(lookup, tasks[0]).public_address == ""
    reads.addresses["eni-1"] = Interface("eni-1", association=Association("54.0.0.9"))
    reads.hosts["i-1"] = Instance("i-1", public_ip_address="54.0.0.1")

    assert sorted((await resolved(lookup, reads, tasks))[0]) == ["instances", "interfaces"]

    assert surroundings(lookup, tasks[0]).public_address == "54.0.0.9"
    assert host_address(lookup, tasks[1], AddressType.PUBLIC) == "54.0.0.1"
    assert (await resolved(lookup, reads, tasks))[0] == []


async def test_machine_that_is_none_of_ec2_is_read_again_and_never_lost(reads: MemoryReads) -> None:
    lookup, tasks = Lookup(Config()), [task("t1", "db:1", containerInstanceArn="ci2")]
    reads.instances_by_arn["ci2"] = ContainerInstance("ci2", "mi-1")
    reads.managed["mi-1"] = Machine("mi-1")
    await resolved(lookup, reads, tasks)
    reads.managed["mi-1"] = Machine("mi-1", "192.168.7.7")

    assert (await resolved(lookup, reads, tasks))[0] == ["machines"], "it had no address before"
    assert (await resolved(lookup, reads, tasks, ADDRESSES_FOR - 1))[0] == []
    for now, told, known in ((1, "192.168.7.8", "192.168.7.8"), (2, "", "192.168.7.8")):
        reads.managed["mi-1"] = Machine("mi-1", told)
        assert (await resolved(lookup, reads, tasks, now * ADDRESSES_FOR))[0] == ["machines"]
        assert host_address(lookup, tasks[0], AddressType.PRIVATE) == known


async def test_what_some_tasks_need_is_asked_for_without_renewing_or_forgetting_the_rest(reads: MemoryReads) -> None:
    lookup = Lookup(Config(address=AddressType.PUBLIC), kept=0)
    old = [task("t1", attachments=INTERFACE), task("t2", "db:1", containerInstanceArn="ci1")]
    await resolved(lookup, reads, old)
    late = ADDRESSES_FOR + 1

    errors = await lookup.resolve(reads, CLUSTER, [task("t3", "agent:1"), old[0]], late, part=True)

    assert errors == ()
    assert reads.operations() == ["task_definition"]
    assert lookup.surround(old[1]) is not None, "it is not forgotten"
    assert sorted((await resolved(lookup, reads, old, late))[0]) == ["instances", "interfaces"]
