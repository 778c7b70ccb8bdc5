"""From the endpoints of a service to the bytes of its `ClusterLoadAssignment`.

Framed by hand because this runs for every change of an endpoint: a message object of envoy-data-plane costs a hundred
times as much. The tests hold these bytes against envoy-data-plane's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bridge.merge import AVAILABLE, ServedEndpoint
from bridge.model import Endpoint, Health
from bridge.resources.wire import embedded, number, text

# envoy.config.core.v3.HealthStatus
_HEALTH_STATUS = {
    Health.UNKNOWN: 0,
    Health.HEALTHY: 1,
    Health.UNHEALTHY: 2,
    Health.DRAINING: 3,
    Health.DEGRADED: 5,
}
_HIGHEST_PRIORITY = 128

_Group = tuple[int, str, str, str]  # priority, region, zone, sub_zone

Fragment = tuple[Endpoint, int, bytes]
"""An endpoint, the weight it is served with, and the field of its locality's message that they were encoded to."""

Fragments = Mapping[tuple[str, int], Fragment]
"""The encoded endpoints of one service, by address and port."""


def preferring(region: str, endpoints: Sequence[ServedEndpoint]) -> Sequence[ServedEndpoint]:
    """The endpoints with those of `region` before the others of the same priority.

    The same object where that makes no difference, because all or none of them are there. Envoy goes over to the next
    priority as far as the endpoints of one are not healthy.
    https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
    """
    if not region:
        return endpoints
    near = sum(served.endpoint.locality.region == region for served in endpoints)
    if near in (0, len(endpoints)):
        return endpoints
    return [
        replace(served, priority=2 * served.priority + (served.endpoint.locality.region != region))
        for served in endpoints
    ]


def eligible(endpoints: Sequence[ServedEndpoint], panic_threshold: float) -> Sequence[ServedEndpoint]:
    """The endpoints that Envoy is to know of: all, but a draining one only where it cannot get new requests.

    Envoy sends no new request to a draining host, except in panic, when it picks among all hosts. So draining
    endpoints are named only while their priority is out of panic without them, and otherwise left out as long as
    another endpoint remains. Envoy finishes the requests in flight on a host that is no longer named.
    https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold

    Args:
        endpoints: of one cluster, in any order.
        panic_threshold: the cluster's `common_lb_config.healthy_panic_threshold`, in percent.
    """
    if not any(served.endpoint.health is Health.DRAINING for served in endpoints):
        return endpoints
    calm = _calm_priorities(endpoints, panic_threshold)
    remaining = [
        served for served in endpoints if served.endpoint.health is not Health.DRAINING or served.priority in calm
    ]
    return remaining or endpoints


def encode(name: str, endpoints: Iterable[ServedEndpoint], encoded: Fragments) -> tuple[bytes, Fragments]:
    """The encoded assignment, and the fragments it is made of.

    The same endpoints give the same bytes in whatever order they come. Priorities are closed up to 0, 1, 2…, because
    gRPC clients refuse gaps, and end at the highest that Envoy knows.

    Args:
        name: of the cluster.
        endpoints: each address and port once.
        encoded: the fragments of the last time; what is still wanted of them is used again.
    """
    fragments: dict[tuple[str, int], Fragment] = {}
    groups: dict[_Group, list[bytes]] = {}
    for served in sorted(endpoints, key=_address_and_port):
        endpoint, locality = served.endpoint, served.endpoint.locality
        key = (endpoint.address, endpoint.port)
        weight = endpoint.weight if served.weight is None else served.weight
        fragments[key] = fragment = _fragment(endpoint, weight, encoded.get(key))
        group = (served.priority, locality.region, locality.zone, locality.sub_zone)
        groups.setdefault(group, []).append(fragment[2])
    rank = {priority: index for index, priority in enumerate(sorted({group[0] for group in groups}))}
    localities = [_locality(group, min(rank[group[0]], _HIGHEST_PRIORITY), groups[group]) for group in sorted(groups)]
    return text(1, name) + b"".join(localities), fragments


def assigns(assignment: bytes, endpoint: Endpoint) -> bool:
    """Whether an encoded assignment names the address and port of an endpoint."""
    return _socket(endpoint) in assignment


def _calm_priorities(endpoints: Sequence[ServedEndpoint], panic_threshold: float) -> set[int]:
    available: dict[int, int] = {}
    total: dict[int, int] = {}
    for served in endpoints:
        if served.endpoint.health is Health.DRAINING:
            continue
        total[served.priority] = total.get(served.priority, 0) + 1
        if served.endpoint.health in AVAILABLE:
            available[served.priority] = available.get(served.priority, 0) + 1
    return {priority for priority, count in available.items() if 100 * count >= panic_threshold * total[priority]}


def _address_and_port(served: ServedEndpoint) -> tuple[str, int]:
    return served.endpoint.address, served.endpoint.port


def _fragment(endpoint: Endpoint, weight: int, known: Fragment | None) -> Fragment:
    if known is not None and known[1] == weight and (known[0] is endpoint or known[0] == endpoint):
        return known
    return endpoint, weight, embedded(2, _lb_endpoint(endpoint, weight))


def _lb_endpoint(endpoint: Endpoint, weight: int) -> bytes:
    encoded = _socket(endpoint)
    if status := _HEALTH_STATUS[endpoint.health]:
        encoded += number(2, status)
    if endpoint.metadata:
        encoded += embedded(3, _metadata(endpoint.metadata))
    if weight != 1:  # Envoy takes an absent weight for 1
        encoded += embedded(4, number(1, weight))
    return encoded


def _socket(endpoint: Endpoint) -> bytes:
    socket_address = text(2, endpoint.address) + number(3, endpoint.port)
    return embedded(1, embedded(1, embedded(1, socket_address)))


def _metadata(pairs: Iterable[tuple[str, str]]) -> bytes:
    fields = b"".join(
        embedded(1, embedded(1, key.encode()) + embedded(2, embedded(3, value.encode()))) for key, value in pairs
    )
    return embedded(1, text(1, "envoy.lb") + embedded(2, fields))


def _locality(group: _Group, priority: int, fragments: Iterable[bytes]) -> bytes:
    _, region, zone, sub_zone = group
    name = text(1, region) + text(2, zone) + text(3, sub_zone)
    encoded = (embedded(1, name) if name else b"") + b"".join(fragments)
    return embedded(2, encoded + number(5, priority) if priority else encoded)
