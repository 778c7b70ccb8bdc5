"""An endpoint that a running bridge serves, as its API describes it."""

from collections.abc import Mapping

from pydantic import BaseModel


class Origin(BaseModel):
    """Who reports it."""

    source: str
    scope: str
    instance: str
    since: float
    standing: str


class Endpoint(BaseModel):
    """One of `/api/v1/services/NAME`."""

    address: str
    port: int
    health: str
    reported_health: str
    weight: int
    served_weight: int
    priority: int
    protocol: str | None
    region: str
    zone: str
    sub_zone: str
    metadata: Mapping[str, str]
    origins: tuple[Origin, ...]
    since: float | None
    changed: float | None
