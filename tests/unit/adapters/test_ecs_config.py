import pytest
from pydantic import ValidationError

from adapters.ecs import EcsAdapter
from adapters.ecs.arn import account, last_part, region
from adapters.ecs.config import AddressType, Config, StartingHealth, TaskHealth
from support.ecs import CLUSTER, task_arn


def test_everything_has_a_default() -> None:
    config = Config.model_validate({})

    assert config.clusters is None, "all there are"
    assert (config.interval, config.drain_max) == (15.0, 600.0)
    assert (config.address, config.starting, config.task_health) == (
        AddressType.PRIVATE,
        StartingHealth.UNHEALTHY,
        TaskHealth.CONTAINER,
    )


@pytest.mark.parametrize("cluster", ["prod", "a_b-9", CLUSTER, "arn:aws-cn:ecs:cn-north-1:123456789012:cluster/prod"])
def test_cluster_is_a_name_or_an_arn(cluster: str) -> None:
    assert Config.model_validate({"clusters": [cluster]}).clusters == (cluster,)


@pytest.mark.parametrize(
    "cluster", ["", "pro*", "a b", "prod\n", task_arn("t1"), "arn:aws:ecs:eu-west-1:12:cluster/prod"]
)
def test_anything_else_is_no_cluster(cluster: str) -> None:
    with pytest.raises(ValidationError, match="neither the name of a cluster nor an ARN"):
        Config.model_validate({"clusters": [cluster]})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"clusters": []}, "at least 1 item"),
        ({"clusters": ["prod", "prod"]}, "names one twice"),
        ({"region": "us-east-1", "clusters": [CLUSTER]}, "in none of the regions that are read: us-east-1"),
        ({"interval": "1ms"}, "greater than or equal to 0.01"),
        ({"address": "pubic"}, "'private', 'public' or 'ipv6'"),
        ({"metadata": ["colour"]}, "capacity_provider"),
        ({"label_prefix": ""}, "at least 1 character"),
    ],
)
def test_what_cannot_work_is_refused(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Config.model_validate(keys)


def test_arn_of_one_of_several_regions_is_fine() -> None:
    assert Config.model_validate({"regions": ["us-east-1", "eu-west-1"], "clusters": [CLUSTER]}).clusters == (CLUSTER,)


def test_parts_of_an_arn() -> None:
    assert (region(CLUSTER), account(CLUSTER), last_part(CLUSTER)) == ("eu-west-1", "123456789012", "prod")
    assert (region("prod"), account("prod"), last_part("prod")) == ("", "", "prod")
    assert last_part("arn:aws:ecs:eu-west-1:123456789012:task/0b69d5c0") == "0b69d5c0", "the old form has no cluster"


def test_where_it_looks_is_told_in_the_words_of_the_configuration() -> None:
    role = "arn:aws:iam::222222222222:role/xds-bridge"
    named = Config.model_validate(
        {"region": "eu-west-1", "clusters": ["prod"], "accounts": [{}, {"assume_role": role}]}
    )

    assert EcsAdapter.searched(named) == (
        "it looks for running tasks with the docker label or task tag `xds-service` in prod of eu-west-1 under its own"
        f" credentials and {role}: are these the right region, clusters and label prefix?"
    )
    assert "in all clusters of the region that the bridge runs in:" in EcsAdapter.searched(Config())
