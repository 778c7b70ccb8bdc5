from adapters.consul.aggregate import changed_checks, changed_nodes, check_states
from adapters.consul.payload import CHECKS, NODES, Check, Node


def check(check_id: str, status: str = "passing", *, service: str = "", node: str = "n1", output: str = "") -> Check:
    described = {"CheckID": check_id, "Status": status, "ServiceName": service, "Node": node, "Output": output}
    return CHECKS.validate_python([described])[0]


def node(name: str, address: str = "10.0.0.1", **meta: str) -> Node:
    return NODES.validate_python([{"Node": name, "Address": address, "Meta": meta or None}])[0]


def changes(old: list[Check], new: list[Check]) -> tuple[set[str], set[str]]:
    return changed_checks(check_states(old), check_states(new))


def test_same_checks_in_another_order_are_no_change() -> None:
    first, second = check("a", service="web"), check("b")

    assert changes([first, second], [second, first]) == (set(), set())


def test_output_is_no_change() -> None:
    assert changes([check("a", output="1")], [check("a", output="2")]) == (set(), set())


def test_check_of_an_instance_names_its_service() -> None:
    assert changes([check("a", service="web")], [check("a", "critical", service="web")]) == ({"web"}, set())


def test_check_of_a_node_names_the_node() -> None:
    assert changes([check("a", node="n7")], [check("a", "critical", node="n7")]) == (set(), {"n7"})


def test_checks_that_come_and_go_count() -> None:
    assert changes([check("a", service="web")], [check("b", service="db")]) == ({"web", "db"}, set())


def test_check_that_moves_to_another_service_names_both() -> None:
    assert changes([check("a", service="web")], [check("a", service="db")]) == ({"web", "db"}, set())


def test_same_check_on_two_nodes_is_two() -> None:
    old = [check("a", node="n1"), check("a", node="n2")]

    assert changes(old, [check("a", node="n1"), check("a", "critical", node="n2")]) == (set(), {"n2"})


def test_nodes_that_differ_are_named() -> None:
    old = (node("same"), node("moved"), node("gone"), node("described"))
    new = (node("described", zone="z1"), node("new"), node("moved", "10.0.0.2"), node("same"))

    assert changed_nodes(old, new) == {"moved", "gone", "new", "described"}
