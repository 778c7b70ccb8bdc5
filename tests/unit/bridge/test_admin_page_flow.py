import pytest

from bridge.admin.client import Client, Part, Progress
from bridge.admin.digest import Digest, Digests, Tally
from bridge.admin.page.flow import GROUPS, SERVICES, SOURCES, WIDTH, Picture, picture
from bridge.admin.source import SourceDocument
from bridge.merge import Service
from bridge.model import Health, ServiceName, SourceName
from support.admin_fakes import served


def source(name: str) -> SourceDocument:
    return SourceDocument(
        name=name,
        type="file",
        required=True,
        last_success=1.0,
        seconds_since_success=1.0,
        stale=False,
        failures=(),
        readings=(),
        crashes=0,
        services=1,
        endpoints={health.value: 0 for health in Health},
        set_aside=0,
        held=(),
        restored=0,
        leaving=False,
        paused=None,
    )


def digest(name: str, by_source: dict[str, Tally]) -> Digest:
    tally = Tally(tuple(map(sum, zip(*(each.counts for each in by_source.values()), strict=True))))
    nothing = frozenset[str]()
    named = {SourceName(source): each for source, each in by_source.items()}
    return Digest(ServiceName(name), tally, named, frozenset(named), nothing, 0, 0, 0, 0)


def client(name: str, cluster: str, progress: Progress) -> Client:
    return Client(name, cluster, "", (), (), 1.0, (Part("clusters", progress, "", "", None, None, None, ""),))


def names(drawn: Picture) -> list[str]:
    return [shape.name for shape in drawn.shapes]


def test_few_are_drawn_one_by_one_with_a_line_for_each_report() -> None:
    services = [digest("web", {"a": Tally((3, 0, 1, 0, 0)), "b": Tally((1, 0, 0, 0, 0))})]

    drawn = picture([source("a"), source("b")], services, [client("e", "edge", Progress.SYNCED)], ready=True)

    assert names(drawn) == ["a", "b", "web", "edge"]
    assert [edge.tone for edge in drawn.edges] == ["warn", "good", "warn", "good"]
    assert [shape.detail for shape in drawn.shapes][2:] == ["4 of 5 healthy", "1 of 1 in sync"]


def test_of_many_those_in_trouble_are_drawn_and_the_others_as_one() -> None:
    services = [digest(f"s{number:03}", {f"src{number % 20}": Tally((5, 0, 0, 0, 0))}) for number in range(300)]
    services[250] = digest("s250", {"src1": Tally((0, 0, 2, 0, 0))})
    envoys = [client(f"e{number}", f"c{number % 30}", Progress.SYNCED) for number in range(300)]

    drawn = picture([source(f"src{number}") for number in range(20)], services, envoys, ready=True)

    assert "s250" in names(drawn)
    assert f"{300 - SERVICES} other services" in names(drawn)
    assert f"{20 - SOURCES} other sources" in names(drawn)
    assert f"{30 - GROUPS} other clusters" in names(drawn)
    assert len(drawn.shapes) == SOURCES + SERVICES + GROUPS + 3
    assert drawn.height < 600
    assert all(shape.x + shape.width <= WIDTH for shape in drawn.shapes)


def test_an_envoy_that_refuses_colours_its_group() -> None:
    envoys = [client("e1", "edge", Progress.SYNCED), client("e2", "edge", Progress.REFUSED)]

    drawn = picture([], [], envoys, ready=False)

    assert [(shape.name, shape.tone) for shape in drawn.shapes] == [("edge", "bad")]
    assert drawn.hub.tone == "bad"


def test_a_long_name_is_cut_and_whole_in_the_title() -> None:
    drawn = picture([], [digest("x" * 200, {"a": Tally((1, 0, 0, 0, 0))})], [], ready=True)

    assert len(drawn.shapes[0].name) <= 30
    assert "x" * 200 in drawn.shapes[0].title


@pytest.mark.parametrize("counts", [(1, 0, 0, 0, 0), (3, 2, 1, 9, 4), (1, 0, 9999, 0, 0)])
def test_a_bar_is_as_long_as_its_box(counts: tuple[int, ...]) -> None:
    drawn = picture([], [digest("web", {"a": Tally(counts)})], [], ready=True)

    shape = drawn.shapes[0]
    assert sum(segment.width for segment in shape.bar) == pytest.approx(shape.width, abs=0.5)


def test_a_service_that_stays_the_same_is_not_worked_out_again() -> None:
    digests, web = Digests(), Service(ServiceName("web"), (served("10.0.0.1"),))
    (before,) = digests.of([web])

    (same,) = digests.of([web])
    (changed,) = digests.of([Service(ServiceName("web"), (served("10.0.0.1", Health.UNHEALTHY),))])

    assert same is before
    assert changed.tally.counts == (0, 0, 1, 0, 0)
