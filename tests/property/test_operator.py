"""A pause loses nothing: whatever a source says meanwhile, after `resume` it is as if it had been heard all along."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from bridge.adapter import Sink
from bridge.merge import union
from bridge.model import InstanceId, Scope, ServiceName
from bridge.operator import Pauses
from bridge.registry import Registry
from support.guarded import DC1, entries

Saying = Callable[[Sink], None]

scopes = st.sampled_from([Scope("one"), Scope("two")])
services = st.sampled_from([ServiceName(name) for name in ("web", "api", "db")])
found = st.frozensets(st.integers(0, 5)).map(entries)
instances = st.frozensets(st.integers(0, 5).map(lambda number: InstanceId(f"i{number}")), max_size=2)


@st.composite
def sayings(draw: st.DrawFn) -> Saying:
    scope, service, seen = draw(scopes), draw(services), draw(st.dictionaries(services, found))
    complete, removed, entered = draw(st.booleans()), draw(instances), draw(found)
    saying: Saying = draw(
        st.sampled_from(
            [
                lambda sink: sink.replace(scope, seen, complete=complete, removed=removed),
                lambda sink: sink.update(scope, service, entered),
                lambda sink: sink.remove(scope, service),
            ]
        )
    )
    return saying


def said(before: list[Saying], during: list[Saying], *, pause: bool) -> tuple[object, object]:
    """What a source is known to say, and what is served, after all of it."""
    registry = Registry([DC1], lambda _: union, lambda: 0.0)
    pauses = Pauses(registry, lambda: 0.0, lambda _: None)
    sink = pauses.sink(DC1)
    for saying in before:
        saying(sink)
    registry.drain()
    if pause:
        pauses.pause(DC1, "anna")
    frozen = dict(registry.services())
    for saying in during:
        saying(sink)
    registry.drain()
    if pause:
        assert registry.services() == frozen
        pauses.resume(DC1, "anna")
    registry.drain()
    return registry.said(DC1), registry.services()


@given(st.lists(sayings(), max_size=6), st.lists(sayings(), max_size=8))
def test_what_was_said_during_a_pause_counts_afterwards(before: list[Saying], during: list[Saying]) -> None:
    assert said(before, during, pause=True) == said(before, during, pause=False)
