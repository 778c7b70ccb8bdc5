"""What happens in a soak, step by step, made from a seed alone: the same seed is the same story on any machine."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

SERVICES = ("web", "api", "jobs")
"""From Consul, from a file, and from ECS."""

FEWEST, MOST = 3, 7
"""Endpoints of a service: fewer than the guard looks at, so that each removal that was seen is believed at once."""

AVAILABLE = 2
"""The fewest endpoints of a service that take requests."""

BRIDGES = ("bridge one", "bridge two")

SUBJECTS = ("sotw", "delta", "either")
"""Envoys: of bridge one, of bridge two, and of either."""

OVERLAP = 2
"""The most faults at once."""

LONGEST = 5
"""The most steps that a fault goes on for."""

BETWEEN_RESTS = 8
"""Steps until everything is healed and looked at."""


class Verb(StrEnum):
    """What a step does."""

    ADD = "add"
    """An endpoint starts and is registered."""
    DROP = "drop"
    """An endpoint is taken out where it is registered, and ends when nobody has it any more."""
    FAIL = "fail"
    """Its check fails."""
    RECOVER = "recover"
    DRAIN = "drain"
    """An operator drains it."""
    UNDRAIN = "undrain"
    BREAK = "break"
    HEAL = "heal"
    REST = "rest"
    """All is well: everybody has everything, and what the bridge uses is measured."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story."""

    verb: Verb
    subject: str = ""
    """An endpoint, such as `web-3`, or a fault."""

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}".strip()

    @property
    def service(self) -> str:
        """The service of the endpoint that it is about."""
        return self.subject.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Trait:
    """What the script has to know of a fault."""

    name: str
    weight: int
    """How often it comes, in proportion to the others."""
    touches: frozenset[str]
    """Parts of the stage that nothing else may touch while it lasts: two faults in one of them could break a promise
    that holds for each."""


def registry(service: str) -> str:
    """The part in which endpoints of a service are registered; while it is broken, none is changed."""
    return f"registry of {service}"


def way(service: str) -> str:
    """The part by which the bridges read of it."""
    return f"way to {service}"


def start(services: Iterable[str] = SERVICES) -> list[str]:
    """The endpoints that are there before the first step."""
    return [f"{service}-{number}" for service in services for number in range(1, FEWEST + 1)]


def script(seed: int, traits: Sequence[Trait]) -> Iterator[Step]:
    """Steps without end, of which any number may be taken."""
    return _Author(random.Random(seed), traits).steps()


@dataclass
class _Author:
    """Keeps the state that the story has come to, so that each step makes sense."""

    chance: random.Random
    traits: Sequence[Trait]
    up: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(start(), True))
    drained: list[str] = field(default_factory=list)
    open: dict[str, int] = field(default_factory=dict)
    """Faults, and how many more steps they last."""
    made: int = FEWEST

    def steps(self) -> Iterator[Step]:
        while True:
            for _ in range(BETWEEN_RESTS):
                yield from self._next()
            for name in list(self.open):
                yield self._heal(name)
            yield Step(Verb.REST)

    def _next(self) -> Iterator[Step]:
        for name in self.open:
            self.open[name] -= 1
        for name in [name for name, left in self.open.items() if left <= 0]:
            yield self._heal(name)
        possible = self._faults() if len(self.open) < OVERLAP else []
        if possible and self.chance.random() < 0.5:
            [fault] = self.chance.choices(possible, [trait.weight for trait in possible])
            self.open[fault.name] = self.chance.randint(1, LONGEST)
            yield Step(Verb.BREAK, fault.name)
        elif changes := self._changes():
            yield self._apply(self.chance.choice(changes))

    def _heal(self, name: str) -> Step:
        del self.open[name]
        return Step(Verb.HEAL, name)

    def _touched(self) -> frozenset[str]:
        return frozenset().union(*(trait.touches for trait in self.traits if trait.name in self.open))

    def _faults(self) -> list[Trait]:
        touched = self._touched()
        return [trait for trait in self.traits if not trait.touches & touched]

    def _changes(self) -> list[Step]:
        touched = self._touched()
        found = [step for service in SERVICES if registry(service) not in touched for step in self._of(service)]
        return found if touched & set(BRIDGES) else found + self._of_operator()

    def _of(self, service: str) -> Iterator[Step]:
        mine = [name for name in self.up if name.startswith(f"{service}-")]
        spare = len(self._available(service)) > AVAILABLE
        if len(mine) < MOST:
            yield Step(Verb.ADD, f"{service}-{self.made + 1}")
        for name in mine:
            if not self.up[name]:
                yield Step(Verb.RECOVER, name)
            elif spare and name not in self.drained:
                yield Step(Verb.FAIL, name)
            if len(mine) > FEWEST and name not in self.drained and (spare or not self.up[name]):
                yield Step(Verb.DROP, name)

    def _of_operator(self) -> list[Step]:
        ends = [Step(Verb.UNDRAIN, name) for name in self.drained]
        if len(self.drained) == len(SERVICES):
            return ends
        spare = [name for service in SERVICES if len(self._available(service)) > AVAILABLE for name in self.up
                 if name.startswith(f"{service}-")]  # fmt: skip
        return ends + [Step(Verb.DRAIN, name) for name in spare if name not in self.drained]

    def _available(self, service: str) -> list[str]:
        return [name for name, up in self.up.items()
                if up and name not in self.drained and name.startswith(f"{service}-")]  # fmt: skip

    def _apply(self, step: Step) -> Step:
        match step.verb:
            case Verb.ADD:
                self.made += 1
                self.up[step.subject] = True
            case Verb.DROP:
                del self.up[step.subject]
            case Verb.FAIL | Verb.RECOVER:
                self.up[step.subject] = step.verb is Verb.RECOVER
            case Verb.DRAIN:
                self.drained.append(step.subject)
            case Verb.UNDRAIN:
                self.drained.remove(step.subject)
        return step
