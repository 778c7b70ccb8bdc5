"""Laws of sources that are read anew or taken out: nothing is lost by the one, and nothing is left by the other."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.merge import Origin
from bridge.model import Endpoint, Scope, ServiceName, SourceName
from bridge.registry import Options
from support.guarded import DC1, ECS, World

Read = tuple[SourceName, Scope, dict[ServiceName, set[int]]]

names = st.sampled_from([ServiceName("web"), ServiceName("api")])
services = st.dictionaries(names, st.sets(st.integers(0, 4), max_size=4), max_size=2)
reads = st.lists(
    st.tuples(st.sampled_from([DC1, ECS]), st.sampled_from([Scope("a"), Scope("b")]), services), max_size=6
)


def world(read: list[Read]) -> World:
    """A registry that believes what it is told, after these reads."""
    made = World(options=Options())
    for source, scope, found in read:
        made.read(dict(found), source=source, scope=scope)
    return made


def served(subject: World) -> dict[ServiceName, set[tuple[Endpoint, tuple[Origin, ...]]]]:
    return {
        name: {(each.endpoint, each.origins) for each in found.endpoints}
        for name, found in subject.registry.services().items()
    }


@given(reads)
def test_a_source_that_is_read_anew_and_says_the_same_changes_nothing(read: list[Read]) -> None:
    subject = world(read)
    before = served(subject)
    last = {scope: found for source, scope, found in read if source == DC1}

    subject.registry.suspend(DC1)
    between = {name: {endpoint for endpoint, _ in found} for name, found in _drained(subject).items()}
    for scope, found in last.items():
        subject.read(dict(found), scope=scope)
    subject.registry.spoken(DC1)

    assert between == {name: {endpoint for endpoint, _ in found} for name, found in before.items()}
    assert _drained(subject) == before


@given(reads)
def test_a_source_that_is_taken_out_might_never_have_been_there(read: list[Read]) -> None:
    subject = world(read)

    subject.registry.forget(DC1, "taken out")

    assert _drained(subject) == served(world([each for each in read if each[0] != DC1]))
    assert subject.registry.statistics(ECS) == world(read).registry.statistics(ECS)


def _drained(subject: World) -> dict[ServiceName, set[tuple[Endpoint, tuple[Origin, ...]]]]:
    subject.registry.drain()
    return served(subject)
