import pytest
from envoy_data_plane.envoy.config.core.v3 import HealthStatus
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment

from bridge.merge import ServedEndpoint
from bridge.model import MAX_WEIGHT, Endpoint, Health, Locality
from bridge.resources.assignment import eligible, encode
from support.builders import endpoint, served


def decoded(*endpoints: ServedEndpoint, name: str = "web") -> ClusterLoadAssignment:
    body, _ = encode(name, endpoints, {})
    return ClusterLoadAssignment.parse(body)


def ports(endpoints: object) -> list[int]:
    assert isinstance(endpoints, list | tuple)
    return [one.endpoint.port for one in endpoints]


def healths(text: str) -> list[ServedEndpoint]:
    """Endpoints on ports 1, 2, 3…, one per letter: its health, and its priority where a digit follows."""
    letters = {health.name[:2]: health for health in Health}
    words = [word.partition("@") for word in text.split()]
    return [
        served(endpoint(port=port, health=letters[word]), priority=int(priority or 0))
        for port, (word, _, priority) in enumerate(words, start=1)
    ]


@pytest.mark.parametrize(
    ("text", "threshold", "sent"),
    [
        ("HE UN", 50, [1, 2]),
        ("HE DR", 50, [1, 2]),
        ("DE DR", 50, [1, 2]),
        ("HE DR DR DR", 50, [1, 2, 3, 4]),
        ("DR DR", 50, [1, 2]),
        ("DR", 0, [1]),
        ("HE HE DR", 100, [1, 2, 3]),
        ("HE@0 DR@1", 50, [1]),
        ("DR@0 HE@1", 50, [2]),
        ("DR@0 DR@1", 50, [1, 2]),
        ("HE@0 DR@0 DR@1", 50, [1, 2]),
    ],
)
def test_draining_endpoints_are_sent_out_of_panic_only(text: str, threshold: float, sent: list[int]) -> None:
    chosen = eligible(tuple(healths(text)), threshold)

    assert ports(list(chosen)) == sent


@pytest.mark.parametrize("available", [Health.HEALTHY, Health.UNKNOWN, Health.DEGRADED])
@pytest.mark.parametrize(
    ("unhealthy", "threshold", "is_sent"),
    [(1, 50, True), (2, 50, False), (2, 33, True), (2, 34, False), (0, 100, True), (1, 100, False), (9, 0, True)],
)
def test_the_share_of_available_endpoints_decides(
    available: Health, unhealthy: int, threshold: float, *, is_sent: bool
) -> None:
    draining = served(endpoint(port=1, health=Health.DRAINING))
    others = [served(endpoint(port=2, health=available))]
    others += [served(endpoint(port=3 + index, health=Health.UNHEALTHY)) for index in range(unhealthy)]

    chosen = eligible([draining, *others], threshold)

    assert (draining in chosen) is is_sent
    assert set(others) <= set(chosen)


@pytest.mark.parametrize("threshold", [0, 50, 100])
def test_without_an_available_endpoint_draining_ones_are_left_out(threshold: float) -> None:
    draining = served(endpoint(port=1, health=Health.DRAINING))
    unhealthy = served(endpoint(port=2, health=Health.UNHEALTHY))

    chosen = eligible([draining, unhealthy], threshold)

    assert list(chosen) == [unhealthy]


@pytest.mark.parametrize("health", Health)
def test_health_has_envoys_meaning(health: Health) -> None:
    assignment = decoded(served(endpoint(health=health)))

    assert assignment.endpoints[0].lb_endpoints[0].health_status is HealthStatus[health.name]


def test_one_locality_holds_its_endpoints_and_localities_are_sorted() -> None:
    near, far = Locality("eu", "eu-1a"), Locality("eu", "eu-1b", "rack")

    assignment = decoded(
        served(endpoint(port=3, locality=far)),
        served(endpoint(port=2, locality=near)),
        served(endpoint(port=1, locality=far)),
        served(endpoint(port=4)),
    )

    groups = [
        (
            (group.locality.region, group.locality.zone, group.locality.sub_zone) if group.locality else None,
            [one.endpoint.address.socket_address.port_value for one in group.lb_endpoints],  # type: ignore[union-attr]  # set by us
        )
        for group in assignment.endpoints
    ]
    assert groups == [(None, [4]), (("eu", "eu-1a", ""), [2]), (("eu", "eu-1b", "rack"), [1, 3])]


def test_priorities_are_dense() -> None:
    assignment = decoded(*(served(endpoint(port=port), priority=port * port) for port in (1, 2, 3)))

    assert [group.priority for group in assignment.endpoints] == [0, 1, 2]


# Each row of what Envoy rejects, with all other assignments of the same response: none of it can be said to `encode`.


@pytest.mark.parametrize("address", ["web.example.com", "[::1]", " 10.0.0.1", "10.0.0.1 ", "010.0.0.1", "", "10.0.0"])
def test_an_address_that_envoy_rejects_is_no_endpoint(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Endpoint(address, 80)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_envoy_rejects_is_no_endpoint(port: int) -> None:
    with pytest.raises(ValueError, match="port"):
        Endpoint("10.0.0.1", port)


@pytest.mark.parametrize("weight", [0, -1, MAX_WEIGHT + 1])
def test_a_weight_that_envoy_rejects_is_no_endpoint(weight: int) -> None:
    with pytest.raises(ValueError, match="weight"):
        Endpoint("10.0.0.1", 80, weight=weight)


@pytest.mark.parametrize("text", ["\ud800", "a\x00b"])
def test_text_that_is_no_utf8_is_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        endpoint(metadata={"key": text})
    with pytest.raises(ValueError, match="control character"):
        endpoint(locality=Locality(zone=text))


def test_locality_weight_and_overprovisioning_are_never_sent() -> None:
    assignment = decoded(served(endpoint(weight=MAX_WEIGHT, locality=Locality("eu"))))

    assert assignment.policy is None
    assert assignment.endpoints[0].load_balancing_weight is None


def test_no_priority_is_above_the_highest_that_envoy_knows() -> None:
    assignment = decoded(*(served(endpoint(port=port), priority=port) for port in range(1, 200)))

    assert [group.priority for group in assignment.endpoints] == [min(index, 128) for index in range(199)]


def test_every_endpoint_has_an_address() -> None:
    assignment = decoded(served(endpoint("::1", 1)), served(endpoint("fe80::1", 2)))

    addresses = [
        one.endpoint.address.socket_address.address  # type: ignore[union-attr]  # set by us
        for group in assignment.endpoints
        for one in group.lb_endpoints
    ]
    assert addresses == ["::1", "fe80::1"]


def test_the_weight_that_is_served_goes_before_the_own_one_and_is_encoded_anew_when_it_changes() -> None:
    one = endpoint(weight=7)
    first, known = encode("web", [ServedEndpoint(one, (), weight=2**32 - 1)], {})
    second, known = encode("web", [ServedEndpoint(one, (), weight=5)], known)
    third, _ = encode("web", [ServedEndpoint(one, ())], known)

    weights = [
        [
            each.load_balancing_weight
            for group in ClusterLoadAssignment.parse(body).endpoints
            for each in group.lb_endpoints
        ]
        for body in (first, second, third)
    ]
    assert weights == [[2**32 - 1], [5], [7]]
