import asyncio

import pytest

from xds import Reason, Refused
from xds.server.open_calls import OpenCalls


async def test_each_client_has_its_own_bound() -> None:
    calls = OpenCalls(1)

    async with calls.holding("a"), calls.holding("b"):
        with pytest.raises(Refused, match="a has 1 calls of this kind open") as caught:
            async with calls.holding("a"):
                pass
        assert caught.value.reason is Reason.TOO_MANY
    async with calls.holding("a"):
        pass


async def test_a_call_that_waits_for_its_client_is_ended_at_once() -> None:
    calls = OpenCalls(1)

    async def waiting() -> None:
        async with calls.holding("a"):
            calls.end()
            await asyncio.Event().wait()

    with pytest.raises(Refused, match="the server is stopping") as caught:
        await waiting()
    assert caught.value.reason is Reason.STOPPING


async def test_a_call_that_is_answered_is_ended_when_the_answer_is_out() -> None:
    calls, out = OpenCalls(1), list[str]()

    async def answering() -> None:
        async with calls.holding("a") as call:
            with call.answering():
                calls.end()
                await asyncio.sleep(0)
                out.append("the answer")
            await asyncio.Event().wait()

    with pytest.raises(Refused, match="the server is stopping"):
        await answering()
    assert out == ["the answer"]
