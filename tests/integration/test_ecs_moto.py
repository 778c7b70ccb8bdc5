"""ECS in moto over HTTP: every launch type and network mode, several containers, regions and accounts."""

import pytest

from adapters._aws import Cloud
from bridge.model import Endpoint, Health, InstanceId, Locality
from support.aws import REGION
from support.ecs import Json, container
from support.ecs_moto import MotoEcs
from support.ecs_reading import failures, passes, reading
from support.recording import RecordingContext
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]

OTHER_ACCOUNT = "222222222222"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/xds-bridge"


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud()


def labelled(name: str = "app", service: str = "web:8080", **more: object) -> dict[str, object]:
    ports = [{"containerPort": int(service.rpartition(":")[2]), "protocol": "tcp"}]
    return {"name": name, "dockerLabels": {"xds-service": service}, "portMappings": ports, **more}


def health(source: RecordingContext) -> Health:
    """The health of the only endpoint of `web`."""
    (endpoint,) = source.sink.services["web"].values()
    return endpoint.health


async def test_fargate_task_with_a_health_check(moto: str, ecs: MotoEcs, cloud: Cloud) -> None:
    definition = ecs.define("web", labelled(healthCheck={"command": ["CMD-SHELL", "true"]}))
    task = ecs.run(definition, container(address="10.0.0.1"), group="service:web")

    async with reading(moto, cloud, clusters=["prod"]) as source:
        await passes(source)
        assert source.sink.services["web"]["10.0.0.1:8080"] == Endpoint(
            "10.0.0.1",
            8080,
            health=Health.UNHEALTHY,
            locality=Locality(REGION, f"{REGION}a"),
            instance=InstanceId(f"{task.rpartition('/')[2]}/app"),
        )

        ecs.tell(task, [container(address="10.0.0.1", healthStatus="HEALTHY")])
        await passes(source)
        assert health(source) is Health.HEALTHY

        ecs.tell(task, last_status="DEACTIVATING", desired_status="STOPPED")
        await passes(source)
        assert health(source) is Health.DRAINING

        ecs.tell(task, last_status="STOPPED")
        await passes(source)
        assert source.sink.services == {}


async def test_address_of_the_attachment_that_moto_gives(moto: str, ecs: MotoEcs, cloud: Cloud) -> None:
    ecs.run(ecs.define("web", labelled()), container())

    async with reading(moto, cloud, clusters=["prod"]) as source:
        await passes(source)

        (endpoint,) = source.sink.services["web"].values()
        assert endpoint.port == 8080


async def test_bridge_and_host_mode_on_an_instance_of_ec2(moto: str, ecs: MotoEcs, cloud: Cloud) -> None:
    instance, address = ecs.host()
    bound: list[Json] = [
        {"bindIP": ip, "containerPort": 8080, "hostPort": 32768, "protocol": "tcp"} for ip in ("0.0.0.0", "::")
    ]
    ecs.run(ecs.define("web", labelled(), mode="bridge"), container(bindings=bound), launchType="EC2")
    ecs.run(ecs.define("api", labelled(service="api:9090"), mode="host"), container(), launchType="EC2")

    async with reading(moto, cloud, clusters=["prod"]) as source:
        await passes(source)

        assert source.failures == {}
        assert source.sink.addresses("web") == {f"{address}:32768"}
        assert source.sink.addresses("api") == {f"{address}:9090"}
    assert "container-instance" in instance


async def test_several_containers_of_a_task(moto: str, ecs: MotoEcs, cloud: Cloud) -> None:
    definition = ecs.define("shop", labelled("app", "shop:8080"), labelled("admin", "admin:9090"), {"name": "log"})
    told = [container(name, address="10.0.0.1") for name in ("app", "admin", "log")]
    told[1] = {**told[1], "healthStatus": "UNHEALTHY"}
    ecs.run(definition, *told)

    async with reading(moto, cloud, clusters=["prod"]) as source:
        await passes(source)

        healths = {name: [one.health for one in found.values()] for name, found in source.sink.services.items()}
        assert healths == {"shop": [Health.HEALTHY], "admin": [Health.UNHEALTHY]}


async def test_task_tags_change_while_the_task_runs(moto: str, ecs: MotoEcs, cloud: Cloud) -> None:
    ports = [{"containerPort": 8080, "protocol": "tcp"}]
    definition = ecs.define("web", {"name": "app", "portMappings": ports})
    task = ecs.run(definition, container(address="10.0.0.1"), tags=[{"key": "xds-service", "value": "web shop"}])

    async with reading(moto, cloud, clusters=["prod"]) as source:
        await passes(source)
        assert set(source.sink.services) == {"web", "shop"}

        ecs.tell(task, tags=[{"key": "xds-service", "value": "web"}, {"key": "xds-enable", "value": "false"}])
        await passes(source)

        assert source.sink.services == {"web": {}}
        assert "its xds-enable is false" in source.sink.set_aside["web"][0].reason


async def test_task_that_is_forgotten_by_ecs(moto: str, ecs: MotoEcs, cloud: Cloud) -> None:
    """moto passes over what it does not know, where ECS says MISSING: no evidence, so the task stays."""
    task = ecs.run(ecs.define("web", labelled()), container(address="10.0.0.1"))

    async with reading(moto, cloud, clusters=["prod"]) as source:
        await passes(source)
        ecs.forget(task)
        await failures(source)

        assert source.sink.addresses("web") == {"10.0.0.1:8080"}
        assert "neither described nor missing" in source.messages


async def test_regions_and_accounts_are_read_apart(moto: str, ecs: MotoEcs, cloud: Cloud) -> None:
    far = MotoEcs(moto, region="eu-central-1")
    far.ecs.create_cluster(clusterName="prod")
    for place, address in ((ecs, "10.0.0.1"), (far, "10.0.0.2")):
        place.run(place.define("web", labelled()), container(address=address))

    async with reading(moto, cloud, clusters=None, region=None, regions=[REGION, "eu-central-1"]) as source:
        await passes(source)

        assert source.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080"}
        assert {endpoint.locality.region for endpoint in source.sink.services["web"].values()} == {
            REGION,
            "eu-central-1",
        }
        assert len(source.sink.state) == 2
    async with reading(moto, cloud, clusters=None, accounts=[{"assume_role": ROLE}]) as source:
        await eventually(lambda: source.spoken)

        assert source.sink.services == {}, "another account has clusters of its own"


async def test_all_clusters_are_read_when_none_is_named(moto: str, ecs: MotoEcs, cloud: Cloud) -> None:
    ecs.ecs.create_cluster(clusterName="batch")
    definition = ecs.define("web", labelled())
    ecs.run(definition, container(address="10.0.0.1"))
    ecs.run(definition, container(address="10.0.0.2"), cluster="batch")

    async with reading(moto, cloud, clusters=None) as source:
        await passes(source)

        assert source.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080"}
        assert len(source.sink.state) == 2
