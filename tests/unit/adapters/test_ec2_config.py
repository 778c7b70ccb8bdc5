import pytest
from pydantic import ValidationError

from adapters.ec2 import Config, Ec2Adapter


def test_what_is_right_is_taken() -> None:
    config = Config.model_validate(
        {
            "region": "eu-west-1",
            "filters": {"tag:env": ["prod"]},
            "interval": "10s",
            "address": "ipv6",
            "device_index": 1,
            "metadata": ["type", "lifecycle"],
        }
    )

    assert config.filters == {"tag:env": ("prod",)}
    assert (config.interval, config.address, config.device_index) == (10, "ipv6", 1)
    assert config.metadata == ("type", "lifecycle")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"filters": {"tag:env": []}}, "at least 1 item"),
        ({"filters": {"tag:env": "prod"}}, "valid tuple"),
        ({"filters": {"tag-key": ["env"]}}, "tag-key is the bridge's own filter"),
        ({"interval": "10ms"}, "greater than or equal to 0.1"),
        ({"address": "elastic"}, "'private', 'public' or 'ipv6'"),
        ({"metadata": ["colour"]}, "'instance_id', 'type', 'subnet', 'vpc' or 'lifecycle'"),
        ({"device_index": -1}, "greater than or equal to 0"),
        ({"label_prefix": "*"}, "match pattern"),
        ({"label_prefix": ""}, "at least 1 character"),
    ],
)
def test_what_is_wrong_is_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Config.model_validate(keys)


def test_where_it_looks_is_told_in_the_words_of_the_configuration() -> None:
    config = Config.model_validate(
        {"regions": ["eu-west-1", "us-east-1"], "filters": {"tag:env": ["prod", "dev"]}, "label_prefix": "my-"}
    )

    assert Ec2Adapter.searched(config) == (
        "it looks for instances with the tag `my-service` and tag:env = prod or dev in eu-west-1 and us-east-1:"
        " are these the right region, tag prefix and filters?"
    )
