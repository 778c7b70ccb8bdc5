"""Tasks and task definitions as ECS tells of them, so that a test names only what it is about."""

from collections.abc import Mapping, Sequence

from adapters.ecs.payload import TASK, TASK_DEFINITION, Task, TaskDefinition

Json = Mapping[str, object]

REGION = "eu-west-1"
ACCOUNT = "123456789012"
ZONE = "eu-west-1a"


def arn(kind: str, name: str) -> str:
    """The ARN of something of ECS."""
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:{kind}/{name}"


CLUSTER = arn("cluster", "prod")


def task_arn(name: str, cluster: str = "prod") -> str:
    """The ARN of a task."""
    return arn("task", f"{cluster}/{name}")


def definition_arn(name: str = "web:1") -> str:
    """The ARN of a revision, named `family:revision`."""
    return arn("task-definition", name)


def tags(**values: str) -> list[Json]:
    """Tags as a list; `_` in a key stands for `-`."""
    return [{"key": key.replace("_", "-"), "value": value} for key, value in values.items()]


def container(name: str = "app", *, address: str = "", bindings: Sequence[Json] = (), **more: object) -> Json:
    """A running container that is healthy as far as anybody knows."""
    interfaces = [{"attachmentId": "a-1", "privateIpv4Address": address}] if address else []
    return {
        "name": name,
        "lastStatus": "RUNNING",
        "healthStatus": "UNKNOWN",
        "networkBindings": list(bindings),
        "networkInterfaces": interfaces,
        **more,
    }


def task_json(name: str = "t1", definition: object = "web:1", *, address: object = "10.0.0.1", **more: object) -> Json:
    """A running Fargate task with one container `app`; `more` replaces and adds fields."""
    return {
        "taskArn": task_arn(name),
        "clusterArn": CLUSTER,
        "taskDefinitionArn": definition_arn(str(definition)),
        "lastStatus": "RUNNING",
        "desiredStatus": "RUNNING",
        "healthStatus": "UNKNOWN",
        "launchType": "FARGATE",
        "availabilityZone": ZONE,
        "group": f"service:{str(definition).partition(':')[0]}",
        "containers": [container(address=str(address))],
        "attachments": [],
        "tags": [],
        **more,
    }


def container_definition(
    name: str = "app", *, ports: Sequence[int | Json] = (8080,), **labels: str
) -> dict[str, object]:
    """A container with TCP port mappings and docker labels; `_` in a label's key stands for `-`."""
    mappings = [{"containerPort": one, "protocol": "tcp"} if isinstance(one, int) else one for one in ports]
    return {
        "name": name,
        "essential": True,
        "portMappings": mappings,
        "dockerLabels": {key.replace("_", "-"): value for key, value in labels.items()},
    }


def definition_json(
    name: str = "web:1", *containers: Json, mode: str | None = "awsvpc", **labels: str
) -> dict[str, object]:
    """A revision; with one container `app` on port 8080 with these labels where none is given."""
    family, _, revision = name.partition(":")
    described: dict[str, object] = {
        "taskDefinitionArn": definition_arn(name),
        "family": family,
        "revision": int(revision),
        "containerDefinitions": list(containers)
        or [container_definition(ports=[8080], **(labels or {"xds_service": family}))],
    }
    return described if mode is None else {**described, "networkMode": mode}


def task(name: str = "t1", definition: object = "web:1", *, address: object = "10.0.0.1", **more: object) -> Task:
    """The same as `task_json`, parsed."""
    return TASK.validate_python(task_json(name, definition, address=address, **more))


def definition(name: str = "web:1", *containers: Json, mode: str | None = "awsvpc", **labels: str) -> TaskDefinition:
    """The same as `definition_json`, parsed."""
    return TASK_DEFINITION.validate_python(definition_json(name, *containers, mode=mode, **labels))
