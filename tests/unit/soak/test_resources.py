"""A leak is told from noise, and from what a process takes when it warms up."""

import random

import pytest

from soak.resources import Sample, leaks, slope, table

MIB = 1 << 20


def life(samples: int = 12, /, *, memory: float = 0, descriptors: float = 0, tasks: float = 0) -> list[Sample]:
    """Twenty seconds from one to the next, with noise; each grows by so many MiB or pieces from one to the next."""
    chance = random.Random(1)
    return [
        Sample(
            20.0 * number,
            (120 + memory * number + chance.uniform(-2, 2) + min(number, 4) * 5) * MIB,
            40 + descriptors * number + chance.randint(0, 3),
            60 + tasks * number + chance.randint(0, 3),
        )
        for number in range(samples)
    ]


def test_noise_and_warming_up_are_no_leak() -> None:
    assert leaks(life()) == []


@pytest.mark.parametrize(("what", "by"), [("memory", 4), ("descriptors", 2), ("tasks", 2)])
def test_what_grows_all_the_time_is_a_leak(what: str, by: float) -> None:
    [told] = leaks(life(**{what: by}))

    assert told.startswith(what)


def test_a_few_samples_are_enough_to_be_judged() -> None:
    assert leaks(life(4)) == []
    assert leaks(life(4, tasks=10)) != []


def test_slopes_are_told_by_the_hour() -> None:
    samples = [Sample(at, (100 + at / 3600) * MIB, 40, 60) for at in (0.0, 3600.0, 7200.0, 10800.0)]

    lines = [line.split() for line in table(samples).splitlines()]
    assert lines[1] == ["memory,", "MiB", "100.0", "103.0", "+1.00"]
    assert lines[2] == ["descriptors", "40.0", "40.0", "+0.00"]


def test_a_slope_is_that_of_the_line_through_all_points() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
