import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from bridge.adapter import Adapter, AdapterContext
from bridge.errors import SourceError
from bridge.inquiry import WAITING, BusyError, Inquiry
from bridge.model import SourceName
from bridge.provenance import Question, Statement

QUESTION = Question(service="web")


class Silent:
    """An adapter that cannot be asked."""

    async def run(self, context: AdapterContext) -> None:
        raise NotImplementedError


class Telling(Silent):
    def __init__(self, tell: Callable[[], Awaitable[Statement]]) -> None:
        self.tell = tell

    async def explain(self, question: Question) -> Statement:
        assert question == QUESTION
        return await self.tell()


async def told() -> Statement:
    return Statement("everything")


async def failing() -> Statement:
    raise SourceError("no connection")


async def buggy() -> Statement:
    raise ZeroDivisionError


async def hanging() -> Statement:
    await asyncio.Event().wait()
    raise AssertionError


async def ask(adapters: Mapping[str, Adapter], patience: float = 60.0) -> Mapping[SourceName, Statement | str]:
    return await Inquiry(lambda: {SourceName(name): each for name, each in adapters.items()}, patience).ask(QUESTION)


async def test_each_source_answers_for_itself() -> None:
    answers = await ask({"good": Telling(told), "down": Telling(failing), "bad": Telling(buggy), "old": Silent()})

    assert answers == {
        "good": Statement("everything"),
        "down": "no connection",
        "bad": "its adapter has a bug, which the log has in full: ZeroDivisionError()",
        "old": "its type of source cannot be asked",
    }


async def test_a_bug_is_logged_once_until_the_adapter_answers_again(caplog: pytest.LogCaptureFixture) -> None:
    adapter = Telling(buggy)
    inquiry = Inquiry(lambda: {SourceName("bad"): adapter})

    for tell in (buggy, buggy, told, buggy):
        adapter.tell = tell
        await inquiry.ask(QUESTION)

    assert [record.getMessage() for record in caplog.records] == ["inquiry.failed", "inquiry.failed"]
    assert all(record.exc_info for record in caplog.records)


async def test_one_that_hangs_costs_nobody_else_his_answer() -> None:
    answers = await ask({"good": Telling(told), "slow": Telling(hanging)}, patience=0.01)

    assert answers == {"good": Statement("everything"), "slow": "it did not answer within 0.01 s"}


async def test_nothing_is_asked_on_when_nobody_waits_for_it() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def watched() -> Statement:
        begun.set()
        try:
            return await hanging()
        finally:
            ended.set()

    asking = asyncio.create_task(ask({"slow": Telling(watched)}))
    await begun.wait()
    asking.cancel()
    await asyncio.wait({asking})

    assert ended.is_set()


async def test_there_may_be_no_source() -> None:
    assert await ask({}) == {}


async def test_who_asks_while_many_wait_is_sent_away() -> None:
    inquiry = Inquiry(lambda: {SourceName("dc1"): Telling(hanging)})
    asking = [asyncio.create_task(inquiry.ask(QUESTION)) for _ in range(WAITING + 1)]
    await asyncio.sleep(0)

    with pytest.raises(BusyError, match="questions are being answered already"):
        await inquiry.ask(QUESTION)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
