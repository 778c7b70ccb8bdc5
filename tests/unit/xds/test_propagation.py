from xds.propagation import Propagation


def test_a_change_is_settled_by_the_last_answer() -> None:
    propagation = Propagation()
    propagation.begin(1, now=10.0)
    propagation.expect(1, 7)
    propagation.expect(1, 8)

    told = propagation.told_all(1, now=11.0)
    first = propagation.answered(7, now=12.0)
    last = propagation.answered(8, now=13.5)

    assert told == []
    assert first == []
    assert last == [(1, 3.5)]


def test_answers_before_everybody_was_told_do_not_settle() -> None:
    propagation = Propagation()
    propagation.begin(1, now=0.0)
    propagation.expect(1, 7)

    early = propagation.answered(7, now=1.0)
    propagation.expect(1, 8)
    told = propagation.told_all(1, now=2.0)
    last = propagation.answered(8, now=3.0)

    assert early == []
    assert told == []
    assert last == [(1, 3.0)]


def test_one_answer_can_settle_several_changes() -> None:
    propagation = Propagation()
    for number in (1, 2):
        propagation.begin(number, now=float(number))
        propagation.expect(number, 7)
        propagation.told_all(number, now=float(number))

    assert propagation.answered(7, now=5.0) == [(1, 4.0), (2, 3.0)]


def test_a_change_that_concerns_nobody_is_not_reported() -> None:
    propagation = Propagation()
    propagation.begin(1, now=0.0)

    assert propagation.told_all(1, now=1.0) == []
    assert propagation.answered(7, now=2.0) == []


def test_a_client_that_left_is_not_waited_for() -> None:
    propagation = Propagation()
    propagation.begin(1, now=0.0)
    propagation.expect(1, 7)
    propagation.expect(1, 8)
    propagation.told_all(1, now=0.0)
    propagation.answered(7, now=1.0)

    assert propagation.gone(8, now=2.0) == [(1, 2.0)]


def test_a_client_that_rejects_a_change_is_given_up_with_it_but_not_with_the_next() -> None:
    propagation = Propagation()
    for number in (1, 2, 3):
        propagation.begin(number, now=0.0)
        propagation.expect(number, 7)
        propagation.expect(number, 8)
        propagation.told_all(number, now=0.0)
    propagation.answered(8, now=1.0)

    rejected = propagation.rejected(2, 7, now=2.0)
    answered = propagation.answered(7, now=3.0)

    assert rejected == [(1, 2.0), (2, 2.0)]
    assert answered == [(3, 3.0)]


def test_a_change_that_everybody_rejects_is_not_reported() -> None:
    propagation = Propagation()
    propagation.begin(1, now=0.0)
    propagation.expect(1, 7)
    propagation.told_all(1, now=0.0)

    assert propagation.rejected(1, 7, now=2.0) == []
    assert propagation.answered(7, now=3.0) == []


def test_what_is_never_answered_is_given_up() -> None:
    propagation = Propagation()

    for number in range(1000):
        propagation.begin(number, now=0.0)
        propagation.expect(number, 7)
        propagation.told_all(number, now=0.0)

    assert len(propagation.answered(7, now=1.0)) < 100
