"""Clusters and endpoints as Envoy's JSON has them, made plain: an endpoint by its address, a field by its path."""

import json
from collections.abc import Iterator, Mapping

Scalar = str | int | float | bool | None

Endpoints = Mapping[str, Mapping[str, Scalar]]
"""By address and port, the fields of each endpoint, those of its locality included."""


def flat(value: object, path: str = "") -> dict[str, Scalar]:
    """The fields of a message by their paths, such as `circuit_breakers.thresholds[0].max_requests`."""
    return dict(_fields(value, path))


def endpoints(message: object) -> tuple[Endpoints, Mapping[str, Scalar]]:
    """The endpoints of a `ClusterLoadAssignment`, and its other fields; nothing of what is none."""
    assignment, found = _dict(message), dict[str, Mapping[str, Scalar]]()
    for group in _list(assignment.get("endpoints")):
        shared = {f"locality.{key}" if key == "load_balancing_weight" else key: each for key, each in group.items()}
        shared.pop("lb_endpoints", None)
        for each in _list(group.get("lb_endpoints")):
            known = _dict(each.get("endpoint"))
            key, number = _address(_dict(known.get("address"))), 2
            while key in found:  # in two localities: Envoy takes both
                key, number = f"{key.partition(' ')[0]} ({number})", number + 1
            rest = {f"endpoint.{name}": value for name, value in known.items() if name != "address"}
            own = {name: value for name, value in each.items() if name != "endpoint"}
            found[key] = flat({**shared, **rest, **own})
    return found, flat({key: value for key, value in assignment.items() if key not in ("endpoints", "cluster_name")})


def awaited(name: str, cluster: Mapping[str, object]) -> str:
    """The name of the assignment of a cluster."""
    config = _dict(cluster.get("eds_cluster_config"))
    return str(config.get("service_name") or name)


def _fields(value: object, path: str) -> Iterator[tuple[str, Scalar]]:
    if value in ({}, []) and path:  # a message or a list that is there and empty
        yield path, json.dumps(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key != "@type" or path:  # that of the whole says nothing
                yield from _fields(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _fields(item, f"{path}[{index}]")
    elif isinstance(value, str | int | float | bool):
        yield path, value


def _address(address: Mapping[str, object]) -> str:
    if "pipe" in address:
        return f"unix:{_dict(address['pipe']).get('path', '')}"
    place = _dict(address.get("socket_address"))
    host = str(place.get("address", ""))
    port = place.get("port_value", place.get("named_port", 0))
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _dict(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
