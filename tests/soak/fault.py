"""What a fault of the soak is.

Always, whatever is broken: no request fails, and no endpoint that is registered is missing in any Envoy.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from soak.script import Trait
from soak.stage import Stage

Act = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong for a while."""

    trait: Trait
    break_: Act
    """Causes it; returns when it is felt, where that can be seen."""
    heal: Act
    blinds: frozenset[str] = frozenset()
    """Envoys that hear of nothing meanwhile, and services of which nobody hears. All others follow every change."""

    @property
    def name(self) -> str:
        return self.trait.name


def fault(
    name: str, break_: Act, heal: Act, *, touches: frozenset[str], weight: int = 1, blinds: frozenset[str] = frozenset()
) -> Fault:
    """A fault; see `Trait` for its weight and what it touches."""
    return Fault(Trait(name, weight, touches), break_, heal, blinds)


async def nothing(_: Stage) -> None:
    """It heals by itself."""
