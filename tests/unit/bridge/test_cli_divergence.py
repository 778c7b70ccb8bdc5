"""What an Envoy has otherwise than it is served, by values."""

from collections.abc import Mapping

import pytest

from bridge.cli.divergence import Clusters, ConfigDump, Scope, Served, differences

Json = dict[str, object]

EVERYTHING = Scope(everything=True, incremental=True)
COMPLETE = Scope(everything=True, incremental=False)
NAMED = Scope(everything=False, incremental=True)

KEY = "10.0.0.1:80"


def dynamic(name: str, version: str = "v", error: str = "") -> Json:
    return {
        "version_info": version,
        "cluster": {"name": name},
        **({"error_state": {"details": error}} if error else {}),
    }


def dump(*active: Json, warming: tuple[Json, ...] = (), version: str = "all") -> ConfigDump:
    clusters = {
        "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
        "version_info": version,
        "static_clusters": [{"cluster": {"name": "own"}}],
        "dynamic_active_clusters": active,
        "dynamic_warming_clusters": warming,
    }
    listeners = {"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "version_info": "another"}
    return ConfigDump.model_validate({"configs": [{"bootstrap": {"node": {"id": "n"}}}, listeners, clusters]})


def host(address: str = "10.0.0.1", health: str = "HEALTHY", **fields: object) -> Json:
    place = {"socket_address": {"address": address, "port_value": 80}}
    return {"address": place, "health_status": {"eds_health_status": health}, "weight": 1, **fields}


def clusters(**hosts: list[Json]) -> Clusters:
    listed = [{"name": name, "host_statuses": each} for name, each in hosts.items()]
    pipe = {"name": "own", "host_statuses": [{"address": {"pipe": {"path": "/x"}}}]}
    return Clusters.model_validate({"cluster_statuses": [*listed, pipe]})


def served(**assignments: Mapping[str, Mapping[str, str | int]]) -> Served:
    return Served("all", dict.fromkeys(assignments, "v"), assignments)


def told(was: Served, has: ConfigDump, hosts: Clusters, scope: Scope = EVERYTHING) -> list[tuple[str, str, str]]:
    return [(each.cluster, each.endpoint, each.what) for each in differences(was, has, hosts, scope)]


def test_an_envoy_that_has_everything_differs_in_nothing() -> None:
    was = served(web={KEY: {"health_status": "HEALTHY"}, "[fd00::1]:80": {"load_balancing_weight": 3, "priority": 1}})
    has = clusters(web=[host(), host("fd00::1", weight=3, priority=1)])

    assert told(was, dump(dynamic("web")), has) == []
    assert told(was, dump(dynamic("web", "another")), has, COMPLETE) == []


def test_an_envoy_that_has_taken_no_cluster_has_all_where_there_is_none() -> None:
    assert told(served(), dump(), clusters(), COMPLETE) == []
    assert [what for _, _, what in told(served(), dump(version="old"), clusters(), COMPLETE)] == [
        "Envoy has version old of the clusters, not all"
    ]


def test_the_bootstrap_tells_who_an_envoy_is() -> None:
    assert (dump().node, ConfigDump().node) == ("n", "")


def test_clusters_that_one_of_the_two_has_are_told() -> None:
    found = told(served(web={}, api={}), dump(dynamic("web"), dynamic("old")), clusters(web=[]))

    assert found == [
        ("api", "", "is served, and Envoy does not have it"),
        ("old", "", "is not served, and Envoy has it from a control plane"),
    ]


def test_a_cluster_in_another_version_is_told_where_envoy_knows_its_version() -> None:
    was, has = served(web={}), dump(dynamic("web", "old"), version="older")

    assert told(was, has, clusters(web=[])) == [("web", "", "Envoy has version old, not v")]
    assert told(was, has, clusters(web=[]), COMPLETE) == [
        ("", "", "Envoy has version older of the clusters, not all"),
    ]


def test_without_a_cluster_in_use_the_version_is_known() -> None:
    warming, nothing = dump(warming=(dynamic("web"),)), dump()

    assert told(served(web={}), warming, clusters(), COMPLETE) == [
        ("web", "", "is not in use as it is served: Envoy waits for its endpoints (warming)"),
    ]
    assert told(served(), nothing, clusters(), COMPLETE) == []


def test_a_cluster_that_warms_may_be_refused_or_not_be_served() -> None:
    has = dump(warming=(dynamic("web", error="too bad"), dynamic("old")))

    assert [what for _, _, what in told(served(web={}), has, clusters())] == [
        "is not in use as it is served: Envoy waits for its endpoints (warming)",
        "Envoy refused another version: too bad",
        "is not served, and Envoy has it from a control plane",
    ]


def test_what_envoy_refused_and_what_it_warms_is_told() -> None:
    has = dump(dynamic("web", error="web {\n}\n: too bad"), warming=(dynamic("api"),))

    assert told(served(web={}, api={}), has, clusters(web=[])) == [
        ("api", "", "is not in use as it is served: Envoy waits for its endpoints (warming)"),
        ("web", "", "Envoy refused another version: too bad"),
    ]


@pytest.mark.parametrize(
    ("fields", "has", "what"),
    [
        ({}, host(health="HEALTHY"), None),  # of unknown health
        ({"health_status": "UNKNOWN"}, host(health="UNKNOWN"), None),
        ({"health_status": "DRAINING"}, host(), "Envoy has health healthy, not draining"),
        ({}, host(health="UNHEALTHY"), "Envoy has health unhealthy, not healthy"),
        ({"load_balancing_weight": 2}, host(), "Envoy has weight 1, not 2"),
        ({"priority": 1}, host(), "Envoy has priority 0, not 1"),
        ({}, host(priority=1), "Envoy has priority 1, not 0"),
    ],
)
def test_an_endpoint_that_is_another_is_told(fields: dict[str, str | int], has: Json, what: str | None) -> None:
    found = told(served(web={KEY: fields}), dump(dynamic("web")), clusters(web=[has]))

    assert found == ([("web", KEY, what)] if what else [])


def test_endpoints_that_one_of_the_two_has_are_told_unless_envoy_keeps_one_on_purpose() -> None:
    kept = host("10.0.0.3", health_status={"pending_dynamic_removal": True})

    found = told(served(web={KEY: {}}), dump(dynamic("web")), clusters(web=[host("10.0.0.2"), kept]))

    assert found == [
        ("web", KEY, "is served, and Envoy does not have it"),
        ("web", "10.0.0.2:80", "is not served, and Envoy has it"),
    ]


def test_of_an_envoy_that_asks_for_some_clusters_those_are_compared_that_it_has() -> None:
    found = told(served(web={KEY: {}}, api={}), dump(dynamic("else"), version=""), clusters(web=[]), NAMED)

    assert found == [("web", KEY, "is served, and Envoy does not have it")]
