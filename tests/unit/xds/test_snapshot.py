from support.xds_content import assignment, cluster, snapshot
from xds import CLUSTER, ENDPOINT, Snapshot
from xds.snapshot import differences, same_version


def test_equal_content_has_the_equal_version_whatever_led_to_it() -> None:
    direct = snapshot({"a": "2", "b": ""})

    detour = snapshot({"b": "", "c": "", "a": "1"}).replace(CLUSTER.url, [cluster("a", "2")], removed=["c"])

    assert detour.version(CLUSTER.url) == direct.version(CLUSTER.url)
    assert direct.version(CLUSTER.url) != snapshot({"a": "1", "b": ""}).version(CLUSTER.url)


def test_the_version_of_nothing_is_a_version() -> None:
    emptied = snapshot({"a": ""}).replace(CLUSTER.url, removed=["a"])

    assert len(Snapshot().version(CLUSTER.url)) == 32
    assert emptied.version(CLUSTER.url) == Snapshot().version(CLUSTER.url)


def test_a_change_leaves_the_old_snapshot_and_the_other_type_alone() -> None:
    old = snapshot({"a": ""})

    new = old.replace(CLUSTER.url, [cluster("b")])

    assert old.names(CLUSTER.url) == {"a"}
    assert new.names(CLUSTER.url) == {"a", "b"}
    assert new.resources(ENDPOINT.url) is old.resources(ENDPOINT.url)
    assert new.types() == {CLUSTER.url, ENDPOINT.url}


def test_the_version_of_a_type_can_be_given_with_its_resources() -> None:
    hashed = snapshot({"a": ""})

    given = hashed.replace(CLUSTER.url, [cluster("b")], version="7")

    assert given.version(CLUSTER.url) == "7"
    assert given.version(ENDPOINT.url) == hashed.version(ENDPOINT.url)
    assert given.replace(ENDPOINT.url, [assignment("c")]).version(CLUSTER.url) == "7"


def test_a_given_version_ends_with_the_content_it_was_given_for() -> None:
    given = snapshot({"a": ""}).replace(CLUSTER.url, [cluster("b")], version="7")

    assert given.replace(CLUSTER.url, removed=["b"]).version(CLUSTER.url) == snapshot({"a": ""}).version(CLUSTER.url)


def test_names_are_one_object_while_they_stay_the_same() -> None:
    old = snapshot({"a": "", "b": ""})
    names = old.names(ENDPOINT.url)

    changed = old.replace(ENDPOINT.url, [assignment("a", "new")])
    grown = old.replace(ENDPOINT.url, [assignment("c")])

    assert changed.names(ENDPOINT.url) is names
    assert grown.names(ENDPOINT.url) == {"a", "b", "c"}


def test_differences_are_what_came_what_went_and_what_is_another_version() -> None:
    old = {"same": cluster("same"), "changed": cluster("changed", "1"), "gone": cluster("gone")}
    new = {"same": cluster("same"), "changed": cluster("changed", "2"), "new": cluster("new")}

    assert differences(old, new) == {"changed", "gone", "new"}
    assert differences(old, old) == set()


def test_nothing_has_the_version_of_nothing_only() -> None:
    assert same_version(None, None)
    assert not same_version(None, cluster("a"))
    assert same_version(cluster("a"), cluster("a"))
