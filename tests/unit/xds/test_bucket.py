import pytest

from xds.bucket import Bucket


def test_so_many_at_once_and_then_at_the_rate() -> None:
    bucket = Bucket(rate=10, burst=2, now=0.0)

    assert [bucket.take(0.0) for _ in range(4)] == [0, 0, pytest.approx(0.1), pytest.approx(0.2)]


def test_tokens_come_back_up_to_the_burst() -> None:
    bucket = Bucket(rate=10, burst=2, now=0.0)
    for _ in range(4):
        bucket.take(0.0)

    assert bucket.wait(0.2) == pytest.approx(0.1)
    assert bucket.wait(0.35) == 0
    assert [bucket.take(1000.0) for _ in range(3)] == [0, 0, pytest.approx(0.1)]


def test_several_tokens_are_taken_together() -> None:
    bucket = Bucket(rate=10, burst=5, now=0.0)

    assert bucket.take(0.0, 5) == 0.0
    assert bucket.take(0.0, 20) == 2.0
