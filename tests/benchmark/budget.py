"""What may be measured at most: said in one way by every benchmark that has a budget, and made its exit code."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """A figure, and what it may be at most; of an unloaded machine, so take what others' work disturbs least."""

    what: str
    value: float
    at_most: float
    unit: str

    @property
    def met(self) -> bool:
        return self.value <= self.at_most

    def __str__(self) -> str:
        share = f"{self.value / self.at_most:.2f}× of the {self.at_most:g} {self.unit} allowed"
        return f"{self.what}: {self.value:.1f} {self.unit}, {share} ({'met' if self.met else 'MISSED'})"


def judged(budgets: Iterable[Budget]) -> int:
    """Print each, and return what to exit with: 1 when one is missed."""
    found = list(budgets)
    print(*found, sep="\n")
    return int(not all(each.met for each in found))


def quantile(values: Sequence[float], percent: int) -> float:
    """A percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
