from bridge.outage import REMINDER, Failure, Outage


def failure(reading: str, error: str = "refused", attempts: int = 1) -> Failure:
    return Failure(reading, error, since=0.0, attempts=attempts)


def test_first_failure_is_reported_and_its_repetition_is_not() -> None:
    outage = Outage()

    reported = [outage.failed(failure("a"), now=float(second)) for second in range(5)]

    assert reported == [True, False, False, False, False]


def test_one_failing_read_speaks_for_all() -> None:
    outage = Outage()
    outage.failed(failure("a"), now=0.0)

    assert not any(outage.failed(failure(f"b{number}", f"error {number}"), now=1.0) for number in range(1000))


def test_another_error_of_the_speaker_is_reported_again() -> None:
    outage = Outage()
    outage.failed(failure("a", "refused"), now=0.0)
    outage.failed(failure("b", "refused"), now=0.0)

    assert outage.failed(failure("a", "403"), now=1.0)
    assert not outage.failed(failure("b", "403"), now=1.0)
    assert not outage.failed(failure("a", "403"), now=2.0)


def test_an_outage_that_goes_on_is_reported_from_time_to_time() -> None:
    outage = Outage()
    outage.failed(failure("a"), now=0.0)

    assert not outage.failed(failure("b"), now=REMINDER - 1)
    assert outage.failed(failure("b"), now=REMINDER)
    assert not outage.failed(failure("a"), now=REMINDER + 1)
    assert outage.failed(failure("a"), now=2 * REMINDER)


def test_another_read_speaks_when_the_speaker_succeeds_alone() -> None:
    outage = Outage()
    outage.failed(failure("a"), now=0.0)
    outage.failed(failure("b"), now=0.0)
    outage.succeeded("a")

    assert outage.failed(failure("b"), now=1.0)


def test_an_outage_ends_when_nothing_fails_any_more() -> None:
    outage = Outage()
    outage.failed(failure("a"), now=0.0)
    outage.failed(failure("b"), now=0.0)

    assert not outage.succeeded("a")
    assert not outage.succeeded("c")
    assert outage.succeeded("b")
    assert not outage.succeeded("b")
    assert outage.failures == ()


def test_success_without_an_outage_ends_nothing() -> None:
    assert not Outage().succeeded("a")


def test_an_abandoned_read_ends_the_outage_only_with_the_next_success() -> None:
    outage = Outage()
    outage.failed(failure("a"), now=0.0)

    outage.forget("a")

    assert outage.failures == ()
    assert outage.succeeded("b")


def test_news_is_reported_whatever_else_fails() -> None:
    outage = Outage()
    outage.failed(failure("a"), now=0.0)

    assert outage.failed(failure("b", "bug"), now=0.0, unheard=True)


def test_failures_are_listed_in_order() -> None:
    outage = Outage()
    for reading in ("b", "", "a"):
        outage.failed(failure(reading), now=0.0)

    assert [each.reading for each in outage.failures] == ["", "a", "b"]
