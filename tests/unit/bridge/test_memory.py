import asyncio
import ctypes
import gc

from bridge import memory
from support.observed_stream import FakeStream
from support.waiting import eventually


def test_what_exists_is_left_out_of_garbage_collection() -> None:
    before = gc.get_threshold()
    try:
        memory.settle()

        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() > before
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_the_c_library_gives_back_what_it_is_asked_for() -> None:
    trim = memory.find_trim()

    assert (trim is not None) == hasattr(ctypes.CDLL(None), "malloc_trim")
    if trim:
        assert trim(0) in (0, 1)


async def test_memory_is_given_back_after_streams_were_busy_and_not_again() -> None:
    trims = list[int]()

    def trim(kept: int) -> int:
        trims.append(kept)
        return 1

    reclaimer = memory.Reclaimer(trim, interval=0.0)
    running = asyncio.ensure_future(reclaimer.run())
    reclaimer.opened(FakeStream())
    await eventually(lambda: len(trims) == 1)
    reclaimer.sent(FakeStream(), "type", 1, 100)
    await eventually(lambda: len(trims) == 2)
    reclaimer.closed(FakeStream())
    await eventually(lambda: len(trims) == 3)
    for _ in range(100):
        await asyncio.sleep(0)
    running.cancel()

    assert trims == [0, 0, 0]


async def test_without_a_way_to_give_back_nothing_is_waited_for() -> None:
    async with asyncio.timeout(5):
        await memory.Reclaimer(None).run()
