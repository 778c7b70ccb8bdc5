from itertools import product
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bridge.permission import Condition, Permission, combined

HERE = Condition("StringEquals", "aws:RequestedRegion", ("eu-west-1",))
THERE = Condition("StringEquals", "aws:RequestedRegion", ("us-east-1",))

permissions = st.lists(
    st.builds(
        Permission,
        name=st.sampled_from(["One", "Two"]),
        actions=st.lists(st.sampled_from(["a:Read", "a:List", "b:Read"]), min_size=1, unique=True).map(tuple),
        resources=st.lists(st.sampled_from(["*", "arn:1", "arn:2"]), min_size=1, unique=True).map(tuple),
        conditions=st.sampled_from([(), (HERE,), (THERE,), (HERE, THERE), (THERE, HERE)]),
    )
)


def allowed(found: tuple[Permission, ...] | list[Permission]) -> set[tuple[str, str, frozenset[Condition]]]:
    """Every action with every resource and the conditions under which it is allowed."""
    single = {
        (action, resource, frozenset(each.conditions))
        for each in found
        for action, resource in product(each.actions, each.resources)
    }
    return {
        (action, resource, conditions)
        for action, resource, conditions in single
        if resource == "*" or (action, "*", conditions) not in single
    }


@given(permissions)
def test_combined_permissions_allow_the_same_and_say_nothing_twice(given_: list[Permission]) -> None:
    found = combined(given_)

    assert allowed(found) == allowed(given_)
    assert len({each.name for each in found}) == len(found)
    keys = [(action, each.conditions) for each in found for action in each.actions]
    assert len(set(keys)) == len(keys)


@given(permissions, st.randoms())
def test_the_order_of_what_is_needed_makes_no_difference(given_: list[Permission], random: Random) -> None:
    shuffled = list(given_)
    random.shuffle(shuffled)

    assert combined(shuffled) == combined(given_)


def test_what_several_sources_need_is_one_permission_with_the_names_of_all() -> None:
    found = combined([Permission("Hosts", ("ec2:Read",), conditions=(HERE,)),
                      Permission("Fleet", ("ec2:Read", "ec2:List"), conditions=(HERE,))])  # fmt: skip

    assert found == (Permission("FleetHosts", ("ec2:List", "ec2:Read"), ("*",), (HERE,)),)


def test_permissions_that_differ_in_their_conditions_stay_apart_under_names_of_their_own() -> None:
    found = combined([Permission("Hosts", ("ec2:Read",), conditions=(each,)) for each in (HERE, THERE)])

    assert [(each.name, each.conditions) for each in found] == [("Hosts", (HERE,)), ("Hostsx2", (THERE,))]
