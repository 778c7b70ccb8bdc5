"""From the catalogue's words to endpoints: pure functions, without a network and without a clock.

A catalogue is an object with the services by name, and below each a list of its instances:

    {"services": {"web": [{"id": "web-1", "ip": "10.0.0.1", "port": 8080, "state": "up", "zone": "eu-west-1a"}]}}

`id`, `ip` and `port` are always there. `state` is `up`, `sick` or `leaving`; an instance without one is `up`.
"""

import json
from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.model import Endpoint, Entry, Health, InstanceId, Locality, ServiceName, SetAside, canonical_address

Services = Mapping[ServiceName, frozenset[Entry]]


class CatalogueError(ValueError):
    """It is no catalogue. Nothing of it can be used."""


class State(StrEnum):
    """What the catalogue says of an instance."""

    UP = "up"
    SICK = "sick"
    LEAVING = "leaving"


HEALTH = {State.UP: Health.HEALTHY, State.SICK: Health.UNHEALTHY, State.LEAVING: Health.DRAINING}


class Instance(BaseModel):
    """An instance as the catalogue has it. Keys that we do not know are the catalogue's own business."""

    model_config = ConfigDict(frozen=True, strict=True)

    id: str
    ip: str
    port: int
    state: State = Field(State.UP, strict=False)
    zone: str = ""


def services_of(body: bytes) -> Services:
    """Every service of a catalogue; an instance that cannot be an endpoint is set aside alone, with the reason.

    Raises:
        CatalogueError: the catalogue is broken as a whole.
    """
    try:
        content = json.loads(body)
    except ValueError as error:
        raise CatalogueError(f"it is not JSON: {error}") from error
    services = content.get("services") if isinstance(content, dict) else None
    if not isinstance(services, dict) or not all(isinstance(instances, list) for instances in services.values()):
        raise CatalogueError('expected {"services": {"NAME": [instances]}}')
    return {ServiceName(name): frozenset(map(entry_of, instances)) for name, instances in services.items()}


def entry_of(item: object) -> Entry:
    """The endpoint that an instance is, or the reason why it is none."""
    try:
        return endpoint_of(Instance.model_validate(item))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        reason = ": ".join([*map(str, first["loc"]), first["msg"]])
    except ValueError as error:
        reason = str(error)
    seen = item if isinstance(item, dict) else {}
    return SetAside(InstanceId(str(seen.get("id", ""))), f"{seen.get('ip', '')}:{seen.get('port', '')}", reason)


def endpoint_of(instance: Instance) -> Endpoint:
    """The endpoint that an instance is.

    Raises:
        ValueError: it cannot be one, such as with a host name in place of an IP address.
    """
    return Endpoint(
        address=canonical_address(instance.ip),
        port=instance.port,
        health=HEALTH[instance.state],
        locality=Locality(zone=instance.zone),
        instance=InstanceId(instance.id),
    )
