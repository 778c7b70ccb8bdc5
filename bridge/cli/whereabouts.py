"""Where the machine of an Envoy is, by what AWS tells there: the metadata of an EC2 instance, or of an ECS task."""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException

PATIENCE = 3.0
"""Seconds that an answer may take; both services are a hop away, and neither answers elsewhere."""

IMDS = "http://169.254.169.254"


class UnknownError(Exception):
    """Nobody tells; the message says what was asked."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Empty where nothing is known."""

    name: str = ""
    """The id of the instance or of the task, which no other Envoy has."""
    region: str = ""
    zone: str = ""


def find(*, imds: bool, ecs: bool, environ: Mapping[str, str]) -> Whereabouts:
    """Ask whoever is to be asked; nothing is known where nobody is.

    Args:
        imds: ask the metadata service of an EC2 instance.
        ecs: ask that of an ECS task.
        environ: names both services, as for the AWS SDK and for containers.

    Raises:
        UnknownError: it does not answer, or something else.
    """
    if ecs:
        return _of_task(environ)
    return _of_instance(environ) if imds else Whereabouts()


def _of_instance(environ: Mapping[str, str]) -> Whereabouts:
    """See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html (version 2)."""
    base = (environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or IMDS).rstrip("/")
    seconds = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = _ask(urllib.request.Request(f"{base}/latest/api/token", method="PUT", headers=seconds))  # noqa: S310 (http)
    place = f"{base}/latest/dynamic/instance-identity/document"
    document = _document(place, {"X-aws-ec2-metadata-token": token})
    return Whereabouts(
        name=_text(document, "instanceId", place),
        region=_text(document, "region", place),
        zone=_text(document, "availabilityZone", place),
    )


def _of_task(environ: Mapping[str, str]) -> Whereabouts:
    """See https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html ."""
    base = environ.get("ECS_CONTAINER_METADATA_URI_V4", "")
    if not base:
        raise UnknownError("this is no container of ECS: ECS_CONTAINER_METADATA_URI_V4 is not set")
    place = f"{base}/task"
    document = _document(place, {})
    # arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID
    parts = _text(document, "TaskARN", place).split(":")
    if len(parts) != 6:
        raise UnknownError(f"{place} names a task that is no ARN: {document['TaskARN']!r}")
    zone = document.get("AvailabilityZone")
    return Whereabouts(parts[5].rpartition("/")[2], parts[3], zone if isinstance(zone, str) else "")


def _document(place: str, headers: Mapping[str, str]) -> dict[str, object]:
    text = _ask(urllib.request.Request(place, headers=dict(headers)))  # noqa: S310 (http)
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UnknownError(f"{place} answers no JSON object")
    return document


def _text(document: Mapping[str, object], key: str, place: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise UnknownError(f"{place} does not tell {key}")
    return value


def _ask(request: urllib.request.Request) -> str:
    """No proxy is asked: these addresses mean another machine there."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            body: bytes = answer.read(1 << 20)
            return body.decode()
    except (OSError, HTTPException, ValueError) as error:
        raise UnknownError(f"cannot ask {request.full_url}: {error}") from error
