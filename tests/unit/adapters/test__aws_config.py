from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters._aws import AwsConfig, Place
from adapters.ec2 import Ec2Adapter
from adapters.ecs import EcsAdapter
from bridge.config import load
from bridge.errors import ConfigError

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/xds-bridge"
ROLE = "arn:aws:iam::123456789012:role/team/xds-bridge"


def test_what_is_right_is_taken() -> None:
    config = AwsConfig.model_validate(
        {
            "regions": ["eu-west-1", "us-gov-east-1"],
            "accounts": [{}, {"assume_role": ROLE, "external_id": "a:b"}],
            "endpoint_url": "http://127.0.0.1:5000/",
            "timeout": "3s",
        }
    )

    assert config.regions == ("eu-west-1", "us-gov-east-1")
    assert config.endpoint_url == "http://127.0.0.1:5000"
    assert [account.assume_role for account in config.accounts] == [None, ROLE]


def test_a_queue_or_several_may_be_named() -> None:
    one = AwsConfig.model_validate({"events": {"queue": QUEUE}})
    both = {"regions": ["eu-west-1", "eu-west-2"], "events": {"queue": [QUEUE, QUEUE.replace("t-1", "t-2")]}}
    several = AwsConfig.model_validate(both)

    assert one.events
    assert (one.events.queue, one.events.heartbeat, one.events.reconcile) == ((QUEUE,), 180, 300)
    assert several.events
    assert [queue.region for queue in several.events.queues] == ["eu-west-1", "eu-west-2"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"region": "Ireland"}, "is not a region; write one such as eu-west-1"),
        ({"region": "eu-west-1a"}, "is not a region"),
        ({"region": "eu-west-1", "regions": ["eu-west-2"]}, "exclude each other"),
        ({"regions": ["eu-west-1", "eu-west-1"]}, "names a region twice"),
        ({"accounts": [{"assume_role": "xds-bridge"}]}, "a role is an ARN such as"),
        ({"accounts": [{"external_id": "abc"}]}, "set assume_role"),
        ({"accounts": [{"assume_role": ROLE}, {"assume_role": ROLE}]}, "names a role twice"),
        ({"endpoint_url": "127.0.0.1:5000"}, "an endpoint is a URL"),
        ({"api_budget": 0}, "greater than 0"),
        ({"timeout": "2m"}, "less than or equal to 60"),
        ({"access_key": "AKIA"}, "Extra inputs"),
        ({"events": {"queue": "xds-bridge"}}, "is not the URL of a queue"),
        ({"events": {"queue": []}}, "at least 1 item"),
        ({"events": {}}, "Field required"),
        ({"region": "eu-west-2", "events": {"queue": QUEUE}}, "in none of the regions that are read: eu-west-2"),
        ({"region": "eu-west-1", "events": {"queue": [QUEUE, QUEUE]}}, "which can have one queue"),
    ],
)
def test_what_is_wrong_is_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AwsConfig.model_validate(keys)


def test_a_place_is_called_by_account_and_region() -> None:
    assert str(Place("eu-west-1")) == "self/eu-west-1"
    assert str(Place("eu-west-1", ROLE)) == "123456789012/eu-west-1"


def test_two_sources_cannot_have_the_same_queue(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    other = QUEUE.replace("xds-bridge", "other")
    path.write_text(
        f"""sources:
  - {{name: tasks, type: ecs, region: eu-west-1, events: {{queue: {QUEUE}}}}}
  - {{name: vms, type: ec2, region: eu-west-1, events: {{queue: {other}}}}}
  - name: more
    type: ec2
    region: eu-west-1
    events:
      queue: {QUEUE}
""",
        encoding="utf-8",
    )

    with pytest.raises(ConfigError) as refused:
        load(path, {}, {"ec2": Ec2Adapter, "ecs": EcsAdapter})

    problem = f"{QUEUE} is read by sources[0] already; each source needs its own"
    assert str(refused.value) == f"{path}:8:14: sources[2].events.queue: {problem}"
