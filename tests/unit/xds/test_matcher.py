import pytest

from xds.matcher import Form, NodeMatcher, any_of
from xds.node import Node


def test_without_matchers_every_node_is_taken() -> None:
    assert any_of([])(Node("anybody"))


@pytest.mark.parametrize("form", [Form.EXACT, Form.PREFIX, Form.SUFFIX, Form.CONTAINS])
def test_case_counts_unless_it_is_to_be_ignored(form: Form) -> None:
    strict, lenient = NodeMatcher(form, "EDGE"), NodeMatcher(form, "EDGE", ignore_case=True)

    assert not any_of([strict])(Node("edge"))
    assert any_of([lenient])(Node("edge"))


def test_one_matcher_is_enough() -> None:
    taken = any_of([NodeMatcher(Form.EXACT, "a"), NodeMatcher(Form.EXACT, "b")])

    assert [taken(Node(name)) for name in "abc"] == [True, True, False]
