"""Who may write at once while streams open."""

import asyncio

from support.waiting import eventually
from xds.window import LATE, QUIET, WIDTH, Window


class Setting:
    """A window and its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.window = Window(lambda: self.now)

    def narrowed(self) -> Window:
        self.window.opened()
        self.window.opened()
        return self.window

    def queue(self, *writers: int) -> "list[asyncio.Future[None]]":
        turns = [self.window.ask(writer) for writer in writers]
        assert all(turns)
        return [turn for turn in turns if turn]


def fill(window: Window) -> None:
    assert not any(window.ask(writer) for writer in range(WIDTH))


async def test_while_no_stream_opens_everybody_writes_at_once() -> None:
    window = Setting().window

    assert not any(window.ask(writer) for writer in range(10 * WIDTH))


async def test_streams_that_open_one_by_one_change_nothing() -> None:
    setting = Setting()
    for _ in range(3):
        setting.window.opened()
        setting.now += QUIET

        assert not any(setting.window.ask(writer) for writer in range(10 * WIDTH))


async def test_while_streams_open_those_beyond_the_width_take_turns_in_their_order() -> None:
    setting = Setting()
    window = setting.narrowed()
    fill(window)
    first, second = setting.queue(100, 101)

    window.leave(7)
    assert (first.done(), second.done()) == (True, False)

    window.leave(100)
    assert second.done()


async def test_whoever_comes_while_others_wait_waits_as_well() -> None:
    setting = Setting()
    window = setting.narrowed()
    fill(window)
    waiting = setting.queue(100)
    setting.now += 2 * QUIET

    late = setting.queue(101)

    assert not any(turn.done() for turn in waiting + late)


async def test_a_writer_that_gives_up_waiting_leaves_its_place_to_the_next() -> None:
    setting = Setting()
    window = setting.narrowed()
    fill(window)
    first, second = setting.queue(100, 101)
    first.cancel()

    window.leave(100)
    window.leave(0)

    assert second.done()


async def test_writes_that_take_long_make_room() -> None:
    setting = Setting()
    window = setting.narrowed()
    fill(window)
    (turn,) = setting.queue(100)
    setting.now += 2 * LATE

    await eventually(lambda: turn.done())  # noqa: PLW0108 (its source is what a failure shows)

    window.leave(0)  # one of those who made room ends: nobody is let in twice for it
    assert [window.ask(writer) is None for writer in range(200, 200 + WIDTH)].count(True) == WIDTH - 1


async def test_soon_after_the_last_new_stream_all_who_wait_are_let_in() -> None:
    setting = Setting()
    fill(setting.narrowed())
    turns = setting.queue(*range(100, 100 + 2 * WIDTH))
    setting.now += QUIET

    await eventually(lambda: all(turn.done() for turn in turns))
