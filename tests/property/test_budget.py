"""The law of the budget: never more than twice its size, and nobody waits for ever."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from xds.budget import SLOW, Budget

SIZE = 100


class Writers(RuleBasedStateMachine):
    """Clients that read, are stuck or hang up, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget(SIZE)
        self.now = 0.0
        self.number = 0
        self.writing: dict[int, int] = {}
        self.waiting: dict[int, int] = {}
        self.told_to_end: set[int] = set()

    @rule(size=st.integers(1, 2 * SIZE))
    def come(self, size: int) -> None:
        self.number += 1
        if self.budget.ask(self.number, size, self.now):
            assert not self.waiting, "overtook somebody who waits"
            self.writing[self.number] = size
        else:
            self.waiting[self.number] = size
            self.review()

    @precondition(lambda self: self.writing or self.waiting)
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        writer = data.draw(st.sampled_from(sorted({**self.writing, **self.waiting})))
        self.leave(writer)
        self.review()

    @rule(seconds=st.sampled_from([0.1, SLOW / 2, SLOW, 10.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.review()

    def leave(self, writer: int) -> None:
        self.budget.release(writer)
        self.writing.pop(writer, None)
        self.waiting.pop(writer, None)
        self.told_to_end.discard(writer)

    def review(self) -> None:
        verdict = self.budget.review(self.now)
        assert verdict.admitted == tuple(self.waiting)[: len(verdict.admitted)], "not in their order"
        for writer in verdict.admitted:
            self.writing[writer] = self.waiting.pop(writer)
        for writer in verdict.ended:
            assert writer in self.writing
            assert writer not in self.told_to_end
            self.told_to_end.add(writer)

    @invariant()
    def no_more_than_twice_the_size(self) -> None:
        assert self.budget.used == sum(self.writing.values())
        assert self.budget.waiting == len(self.waiting)
        assert self.budget.used <= 2 * max([SIZE, *self.writing.values()])

    @invariant()
    def somebody_will_move(self) -> None:
        """While anybody waits, there is a time at which a review helps, or somebody who is about to end."""
        if self.waiting:
            assert self.budget.due(self.now) is not None or self.told_to_end

    def teardown(self) -> None:
        """Though nobody ever reads again: with those ended who are told to, everybody who waits has a turn."""
        for _ in range(3 * (len(self.waiting) + len(self.writing)) + 3):
            for writer in sorted(self.told_to_end):
                self.leave(writer)
            self.review()
            self.now += SLOW
            self.review()
        assert self.waiting == {}


TestWriters = Writers.TestCase
TestWriters.settings = settings(max_examples=200, stateful_step_count=40)
