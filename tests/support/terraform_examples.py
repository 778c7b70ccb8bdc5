"""The examples of `terraform/examples`, each with what a person would give it, and what they plan."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from support.terraform import Json

ACCOUNT, REGION = "123456789012", "eu-west-1"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/xds-bridge@sha256:{'0' * 64}"
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod"
ENVOYS, PROMETHEUS = "sg-envoys", "sg-prometheus"
NETWORK: Json = {
    "vpc_id": "vpc-1",
    "subnet_ids": ["subnet-a", "subnet-b"],
    "prometheus_security_group_id": PROMETHEUS,
}


def secret(name: str) -> str:
    """The ARN of a secret."""
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf"


EXAMPLES: Mapping[str, Json] = {
    "ecs": {
        **NETWORK,
        "region": REGION,
        "image": IMAGE,
        "cluster_arn": CLUSTER,
        "envoy_security_group_id": ENVOYS,
        "cloud_map_namespace": {"id": "ns-1", "name": "mesh.internal"},
    },
    "ec2": {
        **NETWORK,
        "region": REGION,
        "image_id": "ami-0123456789abcdef0",
        "release_url": "https://example.com/xds_bridge-0.1.0.tar.gz",
        "release_sha256": "0" * 64,
        "envoy_security_group_id": ENVOYS,
        "tls_secret_arn": secret("tls"),
    },
    "complete": {
        **NETWORK,
        "region": REGION,
        "image": IMAGE,
        "envoy_image": "docker.io/envoyproxy/envoy:v1.40.0",
        "cluster_arn": CLUSTER,
        "consul": {"address": "https://consul.internal:8501", "security_group_id": "sg-consul"},
        "secret_arns": {name: secret(name) for name in ("bridge", "envoy", "consul")},
    },
}
"""The variables of each, by its name."""


def example(repository: Path, name: str) -> Path:
    """Where an example is."""
    return repository / "terraform/examples" / name


def containers(task: Json) -> dict[str, Json]:
    """The containers of a planned task definition, by name."""
    listed = cast("list[Json]", json.loads(cast("str", task["container_definitions"])))
    return {cast("str", each["name"]): each for each in listed}


def environment(container: Json) -> dict[str, str]:
    """What is in the environment of a planned container, but for its secrets."""
    return {each["name"]: each["value"] for each in cast("list[dict[str, str]]", container["environment"])}
