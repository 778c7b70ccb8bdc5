from dataclasses import dataclass

from bridge.notify.progress import Progress


@dataclass
class FakePipeline:
    waiting: bool = False
    publications: int = 0


def test_rest_is_no_standstill() -> None:
    progress = Progress(FakePipeline(), limit=30)

    assert not progress.stuck(0)
    assert not progress.stuck(1000)


def test_changes_that_wait_beyond_the_limit_are_a_standstill() -> None:
    pipeline = FakePipeline()
    progress = Progress(pipeline, limit=30)
    assert not progress.stuck(0)

    pipeline.waiting = True

    assert not progress.stuck(10)
    assert not progress.stuck(30)
    assert progress.stuck(31)


def test_changes_that_follow_each_other_are_none() -> None:
    pipeline = FakePipeline(waiting=True)
    progress = Progress(pipeline, limit=30)

    for now in range(0, 200, 20):
        pipeline.publications += 1
        assert not progress.stuck(now)


def test_a_standstill_ends_with_the_next_publication() -> None:
    pipeline = FakePipeline(waiting=True)
    progress = Progress(pipeline, limit=30)
    progress.stuck(0)
    assert progress.stuck(40)

    pipeline.publications += 1

    assert not progress.stuck(45)
