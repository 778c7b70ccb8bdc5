import asyncio
import logging

import pytest

from bridge.model import SourceName
from bridge.readiness import Expectation, Readiness
from support.waiting import eventually

REQUIRED, OPTIONAL = SourceName("dc1"), SourceName("local")


class Endpoints(dict[SourceName, int]):
    def __call__(self, source: SourceName) -> int:
        return self.get(source, 0)


@pytest.fixture
def endpoints() -> Endpoints:
    return Endpoints()


def readiness(endpoints: Endpoints, *, grace: float = 60.0, allow_empty: bool = False) -> Readiness:
    return Readiness(
        [Expectation(REQUIRED, required=True, allow_empty=allow_empty), Expectation(OPTIONAL, False, False)],
        endpoints,
        grace,
    )


async def test_nothing_is_ready_before_every_source_has_spoken(endpoints: Endpoints) -> None:
    endpoints.update({REQUIRED: 1, OPTIONAL: 1})
    subject = readiness(endpoints)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subject.wait())
        subject.succeeded(REQUIRED, "")
        await eventually(lambda: list(subject.waiting()) == [OPTIONAL])
        assert not subject.ready

        subject.succeeded(OPTIONAL, "")
        await waiting

    assert subject.ready
    assert subject.waiting() == {}


async def test_a_part_of_a_source_that_was_read_is_not_the_source(endpoints: Endpoints) -> None:
    endpoints[REQUIRED] = 1
    subject = readiness(endpoints)

    subject.succeeded(REQUIRED, 'service "web"')

    assert subject.waiting()[REQUIRED] == "its first complete read"


async def test_a_first_read_without_endpoints_does_not_count_as_having_spoken(endpoints: Endpoints) -> None:
    subject = readiness(endpoints)

    subject.succeeded(REQUIRED, "")

    assert "allow_empty: true" in subject.waiting()[REQUIRED]


async def test_endpoints_that_come_after_an_empty_first_read_end_the_waiting(endpoints: Endpoints) -> None:
    subject = readiness(endpoints, grace=0.0)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subject.wait())
        subject.succeeded(REQUIRED, "")

        endpoints[REQUIRED] = 1
        subject.succeeded(REQUIRED, 'service "web"')

        await waiting


async def test_finding_nothing_counts_where_the_operator_said_so(endpoints: Endpoints) -> None:
    subject = readiness(endpoints, allow_empty=True)

    subject.succeeded(REQUIRED, "")

    assert REQUIRED not in subject.waiting()


async def test_an_optional_source_is_waited_for_through_the_grace_and_then_named(
    endpoints: Endpoints, caplog: pytest.LogCaptureFixture
) -> None:
    endpoints[REQUIRED] = 1
    subject = readiness(endpoints, grace=0.01)
    subject.succeeded(REQUIRED, "")

    await subject.wait()

    assert [(r.getMessage(), r.__dict__["source"]) for r in caplog.records if r.levelno == logging.WARNING] == [
        ("source.silent", OPTIONAL)
    ]


async def test_a_required_source_is_waited_for_beyond_the_grace_and_named(
    endpoints: Endpoints, caplog: pytest.LogCaptureFixture
) -> None:
    endpoints.update({REQUIRED: 1, OPTIONAL: 1})
    subject = readiness(endpoints, grace=0.01)
    subject.succeeded(OPTIONAL, "")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subject.wait())
        await eventually(lambda: any(r.getMessage() == "source.silent" for r in caplog.records))
        assert not waiting.done()
        assert list(subject.waiting()) == [REQUIRED]

        subject.succeeded(REQUIRED, "")
        await waiting


async def test_once_ready_always_ready(endpoints: Endpoints) -> None:
    endpoints.update({REQUIRED: 1, OPTIONAL: 1})
    subject = readiness(endpoints)
    subject.succeeded(REQUIRED, "")
    subject.succeeded(OPTIONAL, "")
    await subject.wait()

    endpoints.clear()

    assert subject.ready
    assert subject.waiting() == {}


async def test_a_source_that_has_spoken_is_not_waited_for_again_when_its_last_endpoint_goes(
    endpoints: Endpoints,
) -> None:
    endpoints.update({REQUIRED: 1, OPTIONAL: 1})
    subject = readiness(endpoints)
    subject.succeeded(REQUIRED, "")

    endpoints[REQUIRED] = 0
    subject.succeeded(REQUIRED, 'service "web"')

    assert list(subject.waiting()) == [OPTIONAL]


async def test_an_optional_source_that_comes_and_goes_holds_nobody_up_after_the_grace(endpoints: Endpoints) -> None:
    subject = readiness(endpoints, grace=0.01)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subject.wait())
        await eventually(lambda: list(subject.waiting()) == [REQUIRED])

        endpoints[REQUIRED] = 1
        subject.succeeded(REQUIRED, "")
        await waiting

    assert subject.ready


async def test_a_source_that_is_added_before_the_first_answer_is_waited_for_and_one_that_is_gone_is_not(
    endpoints: Endpoints,
) -> None:
    added = SourceName("added")
    endpoints.update({REQUIRED: 1, added: 1})
    subject = readiness(endpoints)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subject.wait())
        subject.succeeded(REQUIRED, "")

        subject.configure([Expectation(REQUIRED, True, False), Expectation(added, True, False)])
        assert list(subject.waiting()) == [added]
        subject.succeeded(OPTIONAL, "")
        subject.succeeded(added, "")
        await waiting

    assert subject.ready


async def test_taking_out_the_last_silent_source_is_enough(endpoints: Endpoints) -> None:
    endpoints[REQUIRED] = 1
    subject = readiness(endpoints)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subject.wait())
        subject.succeeded(REQUIRED, "")
        await asyncio.sleep(0)

        subject.configure([Expectation(REQUIRED, True, False)])
        await waiting

    assert subject.ready


async def test_a_source_that_is_read_in_another_way_has_to_speak_again(endpoints: Endpoints) -> None:
    endpoints.update({REQUIRED: 1, OPTIONAL: 1})
    subject = readiness(endpoints)
    subject.succeeded(REQUIRED, "")

    subject.started(REQUIRED)

    assert subject.waiting()[REQUIRED] == "its first complete read"


async def test_nobody_is_waited_for_once_envoys_are_answered(endpoints: Endpoints) -> None:
    endpoints.update({REQUIRED: 1, OPTIONAL: 1})
    subject = readiness(endpoints)
    subject.succeeded(REQUIRED, "")
    subject.succeeded(OPTIONAL, "")
    await subject.wait()

    subject.configure([Expectation(SourceName("added"), True, False)])

    assert subject.ready
    assert subject.waiting() == {}


def paused(endpoints: Endpoints, restored: set[SourceName], frozen: set[SourceName]) -> Readiness:
    expected = [Expectation(REQUIRED, required=True, allow_empty=False)]
    return Readiness(expected, endpoints, 60.0, lambda source: source in restored, lambda source: source in frozen)


async def test_nobody_waits_for_a_paused_source_of_which_something_is_restored(endpoints: Endpoints) -> None:
    subject = paused(endpoints, restored={REQUIRED}, frozen={REQUIRED})

    async with asyncio.timeout(5):
        await subject.wait()

    assert subject.ready


async def test_a_paused_source_of_which_nothing_is_known_is_waited_for_until_it_is_resumed(
    endpoints: Endpoints,
) -> None:
    frozen = {REQUIRED}
    subject = paused(endpoints, restored=set(), frozen=frozen)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subject.wait())
        subject.succeeded(REQUIRED, "")
        await asyncio.sleep(0)
        reason = subject.waiting()[REQUIRED]

        frozen.clear()
        endpoints[REQUIRED] = 1
        subject.succeeded(REQUIRED, "")
        await waiting

    assert reason.startswith("being resumed (an operator has paused it")


async def test_it_looks_again_when_somebody_has_said_something_about_a_source(endpoints: Endpoints) -> None:
    restored: set[SourceName] = set()
    subject = paused(endpoints, restored, frozen={REQUIRED})
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(subject.wait())
        await asyncio.sleep(0)

        restored.add(REQUIRED)
        subject.look_again()
        await waiting

    assert subject.ready
