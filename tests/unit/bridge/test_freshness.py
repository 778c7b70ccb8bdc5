from bridge.freshness import Freshness, Moment
from bridge.poll import Poll


def moment(second: float) -> Moment:
    """A moment at which the wall clock, which may jump, says something else."""
    return Moment(second, 1000 - second)


def test_a_source_is_as_fresh_as_its_oldest_read() -> None:
    freshness = Freshness()
    for name in ("a", "b"):
        freshness.begin(name)

    freshness.succeed("a", moment(1))
    partly = freshness.oldest
    freshness.succeed("b", moment(2))
    freshness.succeed("a", moment(3))
    freshness.succeed("", moment(4))

    assert partly is None
    assert freshness.oldest == moment(2)


def test_its_own_run_counts_while_there_is_no_other_read() -> None:
    freshness = Freshness()
    freshness.succeed("", moment(1))
    read = freshness.begin("a")
    freshness.succeed("", moment(2))
    with_read = freshness.oldest
    freshness.end("a", read)
    freshness.succeed("", moment(3))

    assert with_read == moment(1)
    assert freshness.oldest == moment(3)


def test_a_read_that_begins_neither_ages_nor_freshens_the_source() -> None:
    freshness = Freshness()
    freshness.begin("a")
    freshness.succeed("a", moment(1))
    freshness.begin("b")
    begun = freshness.oldest
    freshness.succeed("a", moment(5))

    assert begun == moment(1)
    assert freshness.oldest == moment(1), "b has not been read yet"
    assert freshness.reads["b"].last is None


def test_reads_that_all_end_at_once_do_not_freshen_the_source() -> None:
    """As when the adapter's run fails: its reads are cancelled one by one, the oldest first or last."""
    freshness = Freshness()
    reads = {name: freshness.begin(name) for name in ("a", "b", "c")}
    for second, name in enumerate(reads):
        freshness.succeed(name, moment(second))

    for name, read in reads.items():
        freshness.end(name, read)
    ended = freshness.oldest
    freshness.begin("c")

    assert ended == moment(0)
    assert freshness.oldest == moment(0)


def test_a_read_that_is_gone_no_longer_counts() -> None:
    freshness = Freshness()
    gone = freshness.begin("a")
    freshness.begin("b")
    freshness.succeed("a", moment(1))
    freshness.succeed("b", moment(2))

    freshness.end("a", gone)

    assert freshness.oldest == moment(2)


def test_the_end_of_an_earlier_read_of_a_name_does_not_end_the_later_one() -> None:
    freshness = Freshness()
    earlier = freshness.begin("a")
    later = freshness.begin("a")

    freshness.end("a", earlier)

    assert freshness.reads == {"a": later}


def test_what_a_pass_cost_belongs_to_a_read_that_there_is() -> None:
    freshness = Freshness()
    poll = Poll("self/eu-west-1", (), 15, 15, 5)
    freshness.begin("a")

    freshness.polled("a", poll)
    freshness.polled("b", poll)

    assert {name: read.poll for name, read in freshness.reads.items()} == {"a": poll}


def test_a_read_that_is_not_vital_neither_ages_nor_freshens_the_source() -> None:
    freshness = Freshness()
    freshness.begin("pass")
    freshness.begin("events", vital=False)
    assert freshness.oldest is None

    freshness.succeed("events", moment(1))
    assert freshness.oldest is None

    freshness.succeed("pass", moment(2))
    freshness.succeed("events", moment(3))
    assert freshness.oldest == moment(2)
    assert freshness.reads["events"].last == moment(3)
