import ast
from pathlib import Path

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


def test_no_other_module_of_the_server_knows_a_type_by_name(repository: Path) -> None:
    """Rows of the table are named where they are defined and by the client, which asks for them; rules read columns."""
    known = {
        str(path.relative_to(repository))
        for path in (repository / "xds").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Name) and node.id in {"CLUSTER", "ENDPOINT"})
        or (isinstance(node, ast.Constant) and "envoy.config" in str(node.value))
    }

    assert known == {"xds/resource.py", "xds/client.py"}
