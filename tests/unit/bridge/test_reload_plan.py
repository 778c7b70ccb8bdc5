from pathlib import Path

import pytest

from bridge.reload import Plan, plan, unchangeable
from support.configured import Configured, Json, file


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    return Configured(tmp_path)


def planned(configured: Configured, before: list[Json], after: list[Json]) -> Plan:
    running = {source.name: source for source in configured(*before).sources}
    return plan(running, configured(*after).sources)


def names(found: Plan) -> tuple[list[str], list[str], list[str]]:
    return [each.name for each in found.added], [each.name for each in found.changed], list(found.removed)


def test_equal_sources_are_left_alone_whatever_their_order(configured: Configured) -> None:
    assert planned(configured, [file("a"), file("b")], [file("b"), file("a")]) == Plan()


def test_sources_are_added_changed_and_removed_by_name(configured: Configured) -> None:
    before, after = [file("a"), file("b"), file("c")], [file("a"), file("b", "/y.yaml"), file("d", "/z.yaml")]

    found = planned(configured, before, after)

    assert names(found) == (["d"], ["b"], ["c"])
    assert found.renamed == {}


@pytest.mark.parametrize(("key", "changed"), [("required", []), ("allow_empty", ["a"])])
def test_only_what_its_adapter_sees_has_a_source_read_anew(
    key: str, changed: list[str], configured: Configured
) -> None:
    default = {"required": True, "allow_empty": False}[key]

    found = planned(configured, [file("a")], [file("a") | {key: not default}])

    assert names(found) == ([], changed, [])


def test_a_source_under_another_name_is_known_again(configured: Configured) -> None:
    found = planned(configured, [file("a"), file("b", "/y.yaml")], [file("c"), file("b", "/y.yaml")])

    assert found.renamed == {"a": "c"}


def test_one_source_is_the_heir_of_one_other(configured: Configured) -> None:
    found = planned(configured, [file("a"), file("b")], [file("c")])

    assert found.renamed == {"a": "c"}


@pytest.mark.parametrize(
    ("more", "keys"),
    [
        ({"xds": {"listen": "127.0.0.1:1"}, "state_directory": "/s"}, ["state_directory", "xds.listen"]),
        ({"admin": {"listen": "127.0.0.1:1"}}, ["admin.listen"]),
        ({"xds": {"limits": {"streams": 7}}, "log": {"format": "json"}}, ["log.format", "xds.limits"]),
        ({"xds": {"debounce": {"quiet": "1ms"}}, "log": {"level": "debug"}, "startup_grace": "1s"}, []),
        ({"guard": {"max_loss": "10%"}, "views": [{"services": ["web"]}], "cluster_retention": "1s"}, []),
    ],
)
def test_keys_that_only_a_restart_can_change_are_named(more: Json, keys: list[str], configured: Configured) -> None:
    assert unchangeable(configured(file("a")), configured(file("a"), **more)) == keys


TLS: Json = {"certificate": "/c", "private_key": "/k", "client_ca": "/a", "allowed_sans": ["web"]}


@pytest.mark.parametrize(
    ("tls", "keys"),
    [
        (TLS | {"certificate": "/c2", "private_key": "/k2", "client_ca": "/a2"}, []),
        (TLS | {"allowed_sans": ["web", "api"]}, ["xds.tls.allowed_sans"]),
        ({"certificate": "/c", "private_key": "/k"}, ["xds.tls.allowed_sans", "xds.tls.client_ca"]),
        (None, ["xds.tls"]),
    ],
)
def test_the_files_of_tls_can_change_and_whether_it_is_used_cannot(
    tls: Json | None, keys: list[str], configured: Configured
) -> None:
    before, after = configured(file("a"), xds={"tls": TLS}), configured(file("a"), xds={"tls": tls} if tls else {})

    assert unchangeable(before, after) == keys
