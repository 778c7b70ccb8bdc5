from support.suspicion import drained, groups
from xds.stream.suspects import Suspects


def test_suspects_are_halved_until_each_is_alone() -> None:
    suspects = Suspects()

    suspects.halve(frozenset("abcde"))
    first, second = suspects.next(), suspects.next()
    suspects.halve(first)
    suspects.halve(second)

    assert [first, second] == groups("abc", "de")
    assert drained(suspects) == groups("ab", "c", "d", "e")


def test_what_is_suspected_already_does_not_wait_twice() -> None:
    suspects = Suspects()

    suspects.halve(frozenset("ab"))
    suspects.halve(frozenset("bc"))

    assert set(suspects.names) == set("abc")
    assert drained(suspects) == groups("a", "b", "c")


def test_a_group_that_was_rejected_elsewhere_while_it_waited_is_halved_without_a_try_of_its_own() -> None:
    suspects = Suspects()
    suspects.halve(frozenset("abcd"))

    suspects.halve(frozenset("cd"))

    assert drained(suspects) == groups("ab", "c", "d")


def test_a_group_without_names_does_not_wait() -> None:
    suspects = Suspects()
    suspects.halve(frozenset("abcd"))

    suspects.discard(frozenset("abx"))

    assert len(suspects) == 1
    assert drained(suspects) == groups("cd")
    assert suspects.next() == frozenset()


def test_what_had_its_turn_can_be_suspected_again() -> None:
    suspects = Suspects()
    suspects.halve(frozenset("ab"))

    again = suspects.next()
    suspects.halve(again)

    assert drained(suspects) == groups("b", "a")
