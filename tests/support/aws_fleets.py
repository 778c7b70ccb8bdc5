"""Large fleets in AWS as a canned server tells of them: to count calls, and to measure what reading them costs.

Whoever measures wants answers as large as real ones (`full`), of which most is read by nobody here.
"""

from support.aws import CannedAws
from support.ec2 import CannedFleet, Shown
from support.ecs import Json, definition_arn, definition_json, task_json
from support.ecs_reading import on_host
from support.ecs_server import EcsServer

SERVICES = 500


def tasks_on_hosts(aws: CannedAws, *, full: bool = False) -> EcsServer:
    """500 services with four tasks each, in bridge mode on 100 hosts."""
    server = EcsServer(aws)
    for number in range(2000):
        service, host = f"s{number % SERVICES:03}", f"i-{number % 100:03}"
        server.define(definition_json(f"{service}:1", mode="bridge"))
        task = on_host(server, f"t{number:04}", host, port=32768 + number)
        server.run(_told({**task, "taskDefinitionArn": definition_arn(f"{service}:1")}, full))
        server.hosts[host] = {"privateIpAddress": f"10.1.0.{number % 100 + 1}"}
    return server


def fargate_tasks(aws: CannedAws, *, full: bool = False) -> EcsServer:
    """500 services with twenty tasks each, on Fargate."""
    server = EcsServer(aws)
    for number in range(SERVICES):
        server.define(definition_json(f"s{number:03}:1"))
    for number in range(10_000):
        address = f"10.{number // 10_000}.{number // 100}.{number % 100 + 1}"
        server.run(_told(task_json(f"t{number:05}", f"s{number % SERVICES:03}:1", address=address), full))
    return server


def instances(aws: CannedAws, *, full: bool = False) -> CannedFleet:
    """2,000 instances of 50 services."""
    fleet = CannedFleet()
    for number in range(2000):
        tags = {"xds-service": f"s{number % 50}:80", **(dict.fromkeys(_TAGS, "x" * 30) if full else {})}
        address = f"10.0.{number // 250}.{number % 250 + 1}"
        fleet.show(Shown(f"i-{number:04}", tags=tags, private=address, more=_DEVICES if full else ""))
    fleet.serve(aws)
    return fleet


_TAGS = [f"tag-{number}" for number in range(8)]

# Real EC2 sends some 3.6 KB for an instance, and ECS 2 KB for a task.
_DEVICES = "".join(
    f"<blockDeviceMapping><item><deviceName>/dev/sd{number}</deviceName><ebs><volumeId>vol-{number:017}</volumeId>"
    f"<status>attached</status><attachTime>2026-11-26T00:00:00.000Z</attachTime>"
    f"<deleteOnTermination>true</deleteOnTermination></ebs></item></blockDeviceMapping>"
    for number in range(10)
)


def _told(task: Json, full: bool) -> Json:
    if not full:
        return task
    details = ("subnetId", "networkInterfaceId", "macAddress", "privateDnsName")
    return {
        **task,
        "attachments": [
            {
                "id": "2f2d1d7f-1d7f-4f2d-9d7f-2f2d1d7f4f2d",
                "type": "ElasticNetworkInterface",
                "status": "ATTACHED",
                "details": [{"name": name, "value": f"{name}-0a1b2c3d4e5f67890"} for name in details],
            }
        ],
        "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "overrides": {"containerOverrides": [{"name": "app"}], "inferenceAcceleratorOverrides": []},
        "tags": [{"key": tag, "value": "x" * 30} for tag in _TAGS],
        **dict.fromkeys(("createdAt", "startedAt", "connectivityAt", "pullStartedAt"), 1795738402.5),
    }
