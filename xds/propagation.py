"""How long a change takes until the last client concerned has accepted it, of those that do."""

from dataclasses import dataclass, field

_MAX_WAVES = 64
"""Changes followed at a time; behind a client that never answers, the oldest is given up."""


@dataclass(slots=True)
class _Wave:
    since: float
    waiting: set[int] = field(default_factory=set)
    told_all: bool = False
    answered: bool = False

    @property
    def settled(self) -> bool:
        return self.told_all and not self.waiting


class Propagation:
    """Follows each generation from `begin` to the last answer, by the numbers of generations and streams."""

    def __init__(self) -> None:
        self._waves: dict[int, _Wave] = {}

    def begin(self, generation: int, now: float) -> None:
        """A generation is current since `now`."""
        self._waves[generation] = _Wave(now)
        if len(self._waves) > _MAX_WAVES:
            del self._waves[next(iter(self._waves))]

    def expect(self, generation: int, stream: int) -> None:
        """A stream is concerned by a generation and is about to be woken."""
        if wave := self._waves.get(generation):
            wave.waiting.add(stream)

    def told_all(self, generation: int, now: float) -> list[tuple[int, float]]:
        """No further stream will be expected. Returns what `answered` does: all may have answered meanwhile."""
        if wave := self._waves.get(generation):
            wave.told_all = True
        return self._settled(now)

    def answered(self, stream: int, now: float) -> list[tuple[int, float]]:
        """A stream has answered all that is expected of it. Returns what that settles: generations and seconds."""
        concerned = [wave for wave in self._waves.values() if stream in wave.waiting]
        for wave in concerned:
            wave.waiting.discard(stream)
            wave.answered = True
        return self._settled(now) if any(wave.settled for wave in concerned) else []

    def rejected(self, generation: int, stream: int, now: float) -> list[tuple[int, float]]:
        """A stream did not take what it was sent of a generation: with that one, and those before it, it is given up.

        Returns what `answered` does.
        """
        for number, wave in self._waves.items():
            if number <= generation:
                wave.waiting.discard(stream)
        return self._settled(now)

    def gone(self, stream: int, now: float) -> list[tuple[int, float]]:
        """A stream ended, or its answer is overdue: nobody waits for it any more. Returns what `answered` does."""
        for wave in self._waves.values():
            wave.waiting.discard(stream)
        return self._settled(now)

    def _settled(self, now: float) -> list[tuple[int, float]]:
        settled = {number: wave for number, wave in self._waves.items() if wave.settled}
        for number in settled:
            del self._waves[number]
        # A change that concerned nobody, or that nobody took, says nothing about how long changes take.
        return [(number, now - wave.since) for number, wave in settled.items() if wave.answered]
