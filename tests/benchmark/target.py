"""What the figures are held against: targets as data, and the verdicts on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmark.case import EMPTY, LARGE, Key
from benchmark.result import Control, Result, Storm, Touch
from benchmark.server import Side

PEERS = (Side.SNAPSHOT, Side.LINEAR)

Results = Mapping[Key, Sequence[Result]]
Metric = Callable[[Result], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that the runs of a server gave, as the median of all its runs."""

    key: Key
    metric: Metric

    def value(self, results: Results) -> float:
        """The median.

        Raises:
            KeyError: the case was not run.
        """
        return median(self.metric(result) for result in results[self.key])


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is to be: at most so much, or at most so many times another figure."""

    title: str
    unit: str
    figure: Figure | Callable[[Results], float]
    at_most: float
    baseline: Figure | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, and what came of it."""

    target: Target
    value: float
    baseline: float | None

    @property
    def judged(self) -> float:
        """What is held against the target: the value, or its ratio to the baseline."""
        return self.value if self.baseline is None else self.value / self.baseline

    @property
    def met(self) -> bool:
        return self.judged <= self.target.at_most


def judge(results: Results) -> list[Verdict]:
    """All targets of which everything was measured."""
    return [verdict for target in TARGETS if (verdict := _verdict(target, results))]


def _verdict(target: Target, results: Results) -> Verdict | None:
    try:
        figure = target.figure
        value = figure.value(results) if isinstance(figure, Figure) else figure(results)
        return Verdict(target, value, target.baseline.value(results) if target.baseline else None)
    except KeyError:
        return None


def storm(result: Result) -> Storm:
    assert result.storm
    return result.storm


def touch(result: Result) -> Touch:
    assert result.touch
    return result.touch


def steady(result: Result) -> Touch:
    assert result.steady
    return result.steady


def control(result: Result) -> Control:
    assert result.control
    return result.control


def _against(title: str, unit: str, case: str, metric: Metric, factors: tuple[float, float]) -> list[Target]:
    """Targets as multiples of what the peers need, in the order of `PEERS`."""
    return [
        Target(title, unit, Figure(Key(case), metric), factor, Figure(Key(case, peer), metric))
        for peer, factor in zip(PEERS, factors, strict=True)
    ]


def _compared(variant: str, cpu: tuple[float, float], p99: tuple[float, float]) -> list[Target]:
    update = f"one endpoint changes, {variant}"
    return [
        *_against(f"{update}: CPU per change", "ms", variant, lambda r: touch(r).server_cpu_ms_per_touch, cpu),
        *_against(f"{update}: p99", "ms", variant, lambda r: touch(r).update_ms.p99, p99),
        *_against(
            f"{update}, 100×10, 100 Envoys: p99",
            "ms",
            f"{variant}-small",
            lambda r: touch(r).update_ms.p99,
            (1.0, 1.5),
        ),
        *_against(
            f"1,000 Envoys connect, {variant}: all warm", "ms", variant, lambda r: storm(r).all_warm_ms, (0.5, 1.2)
        ),
        *_against(f"memory with 1,000 Envoys, {variant}", "MiB", variant, lambda r: r.rss_mb.warm, (0.3, 0.3)),
    ]


def _alone(variant: str) -> list[Target]:
    def figure(case: str, metric: Metric) -> Figure:
        return Figure(Key(case), metric)

    plain = figure(variant, lambda r: touch(r).server_cpu_ms_per_touch)
    every = figure(f"{variant}-node", lambda r: touch(r).server_cpu_ms_per_touch)
    late = figure(f"{variant}-control", lambda r: control(r).update_ms.max)
    behind = figure(f"{variant}-steady", lambda r: steady(r).update_ms.max)
    growth = figure(f"{variant}-steady", lambda r: steady(r).last_quarter_rss_mb / steady(r).first_quarter_rss_mb)
    size = figure(variant, lambda r: touch(r).bytes_per_stream_and_touch / 1024)
    stream = figure(variant, lambda r: (r.rss_mb.after - r.rss_mb.before) * 1024 / r.streams)
    return [
        Target(f"a change while 1,000 others connect, {variant}: latest arrival", "ms", late, 250),
        Target(f"61 KB of node in every request, {variant}: CPU per change", "ms", every, 2, plain),
        Target(f"one endpoint changes, {variant}: on the wire, per Envoy", "KiB", size, 1),
        Target(f"idle Envoy, {variant}: memory", "KiB", stream, 60),
        Target(f"200 changes/s for 60 s, 500 Envoys, {variant}: latest arrival", "ms", behind, 1000),
        Target(f"200 changes/s for 60 s, {variant}: memory, last quarter to first", "×", growth, 1.05),
    ]


def _endpoint_memory(results: Results) -> float:
    """KiB of memory that an endpoint of the large content takes, its share of its cluster included."""
    full = Figure(Key("sotw"), lambda r: r.rss_mb.before).value(results)
    empty = Figure(Key(EMPTY.name), lambda r: r.rss_mb.before).value(results)
    return (full - empty) * 1024 / (LARGE.clusters * LARGE.endpoints)


TARGETS: Sequence[Target] = (
    *_compared("sotw", cpu=(0.05, 0.4), p99=(0.1, 1.0)),
    *_compared("delta", cpu=(0.3, 0.5), p99=(0.5, 1.0)),
    *_alone("sotw"),
    *_alone("delta"),
    Target("one endpoint, without any Envoy: memory", "KiB", _endpoint_memory, 2),
)
