"""The story of a soak, played: each step is done, followed by whoever can hear of it, and looked at."""

import re
import time
from collections import Counter

from soak.fault import Fault
from soak.faults import faults
from soak.resources import Sample
from soak.script import BRIDGES, Step, Verb, script
from soak.stage import ONE, Stage

TAIL = 30
"""Lines of a log that are shown when something went wrong."""

FIRST = 20
"""Of what was not as it must be, how much is told."""

KINDS = 10
"""Of faults, which a run plays at least, however slow the machine is."""

STEPS = 150
"""Within which every story has played so many kinds; one that has not is no story."""

BUGS = ("xds_bridge_xds_stream_failures_total", "xds_bridge_source_crashes_total")


class Play:
    """Plays the script of a seed.

    Args:
        stage: what it happens to.
        seed: of the script.
    """

    def __init__(self, stage: Stage, seed: int) -> None:
        self.samples: list[Sample] = []
        """What bridge one used whenever all was well."""
        self.faults: Counter[str] = Counter()
        """How often each fault was played."""
        self._stage = stage
        self._seed = seed
        self._faults = faults()
        self._open: dict[str, Fault] = {}
        self._done: Counter[Verb] = Counter()
        self._step = Step(Verb.REST)
        self._began = time.monotonic()

    async def until(self, seconds: float) -> None:
        """Do step after step for so long, and until enough kinds of faults came; heal all then, and look once more."""
        for step in script(self._seed, [each.trait for each in self._faults.values()]):
            if self._time() > seconds and (len(self.faults) >= KINDS or self._done.total() >= STEPS):
                break
            await self._play(step)
        for name in list(self._open):
            await self._play(Step(Verb.HEAL, name))
        await self._play(Step(Verb.REST))

    def state(self) -> str:
        """Where it is in the story, what is broken now, and what was not as it must be."""
        wrong = "\n".join(self._stage.wrong()[:FIRST])
        broken = ", ".join(self._open) or "nothing"
        return f"seed {self._seed}, {self._time():.1f} s: {self._step}\nbroken: {broken}\nwrong: {wrong or 'nothing'}"

    def logs(self) -> str:
        """The last words of the bridges."""
        return "\n".join(_tail(self._stage, name) for name in BRIDGES)

    def summary(self) -> str:
        """What it came to, in numbers."""
        counted = ", ".join(f"{count} {verb}" for verb, count in sorted(self._done.items()))
        requests = sum(each.requests() for each in self._stage.subjects.values())
        lines = [
            f"seed {self._seed}: {self._done.total()} steps in {self._time():.0f} s ({counted}), {requests} requests",
            f"faults: {', '.join(f'{count} {name}' for name, count in sorted(self.faults.items())) or 'none'}",
        ]
        for name in BRIDGES:
            said = Counter(re.findall(r'"event": "([^"]+)"', self._stage.bridges[name].log.read_text()))
            lines.append(f"{name} said {', '.join(f'{event} {count}' for event, count in sorted(said.items()))}")
        return "\n".join(lines)

    async def _play(self, step: Step) -> None:
        self._step = step
        began = self._time()
        print(f"{began:8.1f} s  {step}", flush=True)
        await self._do(step)
        self._done[step.verb] += 1
        print(f"{'':10}  {self._time() - began:.1f} s")

    async def _do(self, step: Step) -> None:
        match step.verb:
            case Verb.BREAK:
                self._open[step.subject] = self._faults[step.subject]
                await self._faults[step.subject].break_(self._stage)
                self.faults[step.subject] += 1
            case Verb.HEAL:
                await self._faults[step.subject].heal(self._stage)
                del self._open[step.subject]
            case Verb.REST:
                pass
            case _:
                await self._change(step)
        if step.verb is not Verb.BREAK:
            await self._stage.converge(frozenset().union(*(each.blinds for each in self._open.values())))
        await self._stage.answers(2)
        if step.verb is Verb.REST:
            await self._rest()
        wrong = self._stage.wrong()
        assert not wrong, "\n".join(wrong[:FIRST])

    async def _change(self, step: Step) -> None:
        match step.verb:
            case Verb.ADD:
                await self._stage.add(step.subject)
            case Verb.DROP:
                await self._stage.drop(step.subject)
            case Verb.FAIL | Verb.RECOVER:
                await self._stage.check(step.subject, up=step.verb is Verb.RECOVER)
            case Verb.DRAIN | Verb.UNDRAIN:
                await self._stage.drain(step.subject, drained=step.verb is Verb.DRAIN)

    async def _rest(self) -> None:
        for name in BRIDGES:
            metrics = await self._stage.bridges[name].metrics()
            bugs = [name for name, value in metrics.items() if name.startswith(BUGS) and value]
            assert not bugs, f"{name}: {bugs}"
            if name == ONE:
                self.samples.append(Sample.taken(self._time(), metrics))
        for proxy in (self._stage.consul.proxy, self._stage.ecs.proxy):
            proxy.requests.clear()

    def _time(self) -> float:
        return time.monotonic() - self._began


def _tail(stage: Stage, name: str) -> str:
    lines = stage.bridges[name].log.read_text().splitlines()[-TAIL:]
    return "\n".join([f"--- {name}: {stage.bridges[name].log}", *lines])
