from bridge.cli.comparison import ClusterChange, Content, FieldChange, Json, Kind, Reader, compare, lines, summary
from bridge.cli.served import awaited, endpoints, flat

Group = dict[str, object]
Side = dict[str, tuple[Json, list[Group]]]
"""Clusters by name, each with its fields and the groups of its endpoints."""


def host(address: str, port: int = 80, **fields: object) -> dict[str, object]:
    return {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}, **fields}


def group(*hosts: object, **fields: object) -> Group:
    return {"lb_endpoints": list(hosts), **fields}


def differences(before: Side, after: Side) -> list[ClusterChange]:
    written: dict[bytes, Json] = {}

    def content(side: Side) -> Content:
        clusters, assignments = dict[str, bytes](), dict[str, bytes]()
        for name, (fields, groups) in side.items():
            clusters[name] = repr(("cluster", name, fields)).encode()
            assignments[name] = repr(("assignment", name, groups)).encode()
            written[clusters[name]] = {"@type": "Cluster", "name": name, **fields}
            written[assignments[name]] = {"cluster_name": name, "endpoints": groups}
        return Content(clusters, assignments)

    return compare(content(before), content(after), Reader(written.__getitem__, written.__getitem__))


def test_what_is_the_same_is_not_told() -> None:
    same: Side = {"web": ({"connect_timeout": "1s"}, [group(host("10.0.0.1"))])}

    assert differences(same, same) == []
    assert summary([]) == "no difference"


def test_fields_of_clusters_are_told_by_their_paths() -> None:
    before: Side = {"web": ({"connect_timeout": "1s", "circuit_breakers": {"thresholds": [{"max_requests": 1}]}}, [])}
    after: Side = {"web": ({"connect_timeout": "2s", "http2": {}}, [])}

    (change,) = differences(before, after)

    assert change.change is Kind.CHANGED
    assert change.fields == (
        FieldChange(field="circuit_breakers.thresholds[0].max_requests", before=1, after=None),
        FieldChange(field="connect_timeout", before="1s", after="2s"),
        FieldChange(field="http2", before=None, after="{}"),
    )


def test_endpoints_come_go_and_change() -> None:
    before: Side = {"web": ({}, [group(host("10.0.0.1"), host("10.0.0.2"))])}
    after: Side = {"web": ({}, [group(host("10.0.0.2", load_balancing_weight=5), priority=1), group(host("fd00::1"))])}

    (change,) = differences(before, after)

    assert [line for _, line in lines([change])] == [
        "~ cluster web",
        "    - 10.0.0.1:80",
        "    ~ 10.0.0.2:80  load_balancing_weight: (not given) → 5, priority: (not given) → 1",
        "    + [fd00::1]:80",
    ]


def test_clusters_come_and_go_with_their_endpoints() -> None:
    changes = differences(
        {"old": ({"type": "EDS"}, [group(host("10.0.0.1"))])},
        {"new": ({}, [group(host("10.0.0.1"), host("10.0.0.2"))])},
    )

    assert [(kind, line) for kind, line in lines(changes)] == [
        (Kind.ADDED, "+ cluster new"),
        (Kind.ADDED, "    + 10.0.0.1:80"),
        (Kind.ADDED, "    + 10.0.0.2:80"),
        (Kind.REMOVED, "- cluster old"),
        (Kind.REMOVED, "    - 10.0.0.1:80"),
    ]
    assert summary(changes) == "1 cluster added, 1 cluster removed, 2 endpoints added, 1 endpoint removed"


def test_endpoints_alone_can_be_compared() -> None:
    """Of a type that is the same on both sides, nothing has to be read."""
    reader = Reader(lambda _: {}, lambda body: {"endpoints": [group(host(body.decode()))]})

    (change,) = compare(Content({}, {"web": b"10.0.0.1"}), Content({}, {"web": b"10.0.0.2"}), reader)

    assert change.change is Kind.CHANGED
    assert [(each.endpoint, each.change) for each in change.endpoints] == [
        ("10.0.0.1:80", Kind.REMOVED),
        ("10.0.0.2:80", Kind.ADDED),
    ]


def test_a_difference_that_cannot_be_read_is_told_all_the_same() -> None:
    reader = Reader(lambda _: {"name": "web"}, lambda _: {})

    (change,) = compare(Content({"web": b"1"}, {}), Content({"web": b"2"}, {}), reader)

    assert (change.fields, change.endpoints) == ((), ())
    assert change.notes == ("what differs is nothing that this version can read",)


def test_an_address_in_two_localities_is_two_endpoints() -> None:
    groups = [group(host("10.0.0.1"), locality={"zone": zone}, load_balancing_weight=7) for zone in ("a", "b")]

    found, rest = endpoints({"cluster_name": "web", "endpoints": groups, "policy": {"overprovisioning_factor": 1}})

    assert found == {
        "10.0.0.1:80": {"locality.zone": "a", "locality.load_balancing_weight": 7},
        "10.0.0.1:80 (2)": {"locality.zone": "b", "locality.load_balancing_weight": 7},
    }
    assert rest == {"policy.overprovisioning_factor": 1}


def test_other_addresses_and_fields_of_endpoints_are_kept() -> None:
    pipe = {"endpoint": {"address": {"pipe": {"path": "/run/web.sock"}}, "hostname": "web"}, "health_status": "HEALTHY"}

    found, _ = endpoints({"endpoints": [group(pipe)]})

    assert found == {"unix:/run/web.sock": {"endpoint.hostname": "web", "health_status": "HEALTHY"}}
    assert endpoints(None) == ({}, {})


def test_what_is_no_field_is_nothing() -> None:
    assert flat({"@type": "x", "a": {"@type": "y"}, "b": None, "c": []}) == {"a.@type": "y", "c": "[]"}


def test_an_assignment_can_have_a_name_of_its_own() -> None:
    assert awaited("web", {"eds_cluster_config": {"service_name": "web-v2"}}) == "web-v2"
    assert awaited("web", {"type": "EDS"}) == "web"
