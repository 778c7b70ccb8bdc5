from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment

from xds import CLUSTER, ENDPOINT, TYPES, content_version


def test_a_version_is_a_hash_of_the_content() -> None:
    assert content_version(b"a") == content_version(b"a")
    assert content_version(b"a") != content_version(b"b")
    assert len(content_version(b"")) == 32


def test_the_placeholder_is_an_assignment_without_endpoints() -> None:
    name = "a" * 300
    assert ENDPOINT.placeholder is not None

    assert ClusterLoadAssignment.parse(ENDPOINT.placeholder(name)) == ClusterLoadAssignment(cluster_name=name)


def test_what_is_required_is_pushed_after_what_requires_it() -> None:
    urls = [kind.url for kind in TYPES]

    assert CLUSTER.required_type == ENDPOINT.url
    assert all(urls.index(kind.required_type) > urls.index(kind.url) for kind in TYPES if kind.required_type)
