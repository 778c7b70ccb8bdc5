"""The rules by which an answer may change what is known, against answers made up here."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from adapters.consul.book import Book, Memory
from adapters.consul.client import Reply
from adapters.consul.config import Config
from adapters.consul.mapping import Mapper
from adapters.consul.payload import HEALTH, NODES, Catalog, HealthEntry, Node
from bridge.errors import SourceError
from support.recording import RecordingContext

Instances = tuple[HealthEntry, ...]


def instances(*addresses: str, service: str = "web", status: str = "passing") -> Instances:
    return HEALTH.validate_python(
        [
            {
                "Node": {"Node": "n1"},
                "Service": {"ID": address, "Service": service, "Address": address, "Port": 80},
                "Checks": [{"CheckID": "alive", "Status": status}],
            }
            for address in addresses
        ]
    )


class FakeReads:
    """What Consul would say if asked again."""

    def __init__(self) -> None:
        self.catalog: Reply[Catalog] = Reply({"consul": (), "web": (), "db": ()}, 10)
        self.web: Reply[Instances] = Reply(instances("10.0.0.1"), 10)
        self.web_now: Callable[[], Reply[Instances]] = lambda: self.web
        self.db: Reply[Instances] = Reply(instances("10.0.1.1", service="db"), 10)
        self.sees_nodes = True
        self.sees_canary = True

    async def services(self, *, consistent: bool = False) -> Reply[Catalog]:
        assert consistent, "a removal rests on it"
        await asyncio.sleep(0)
        return self.catalog

    async def instances(self, name: str, *, consistent: bool = False) -> Reply[Instances]:
        assert consistent, "a removal rests on it"
        return self.web_now() if name == "web" else self.db

    async def nodes(self, *, consistent: bool = False) -> Reply[tuple[Node, ...]]:
        assert consistent, "a removal rests on it"
        return Reply(NODES.validate_python([{"Node": "n1"}] if self.sees_nodes else []), 10)

    async def canary(self) -> bool:
        return self.sees_canary


class Desk:
    """A book that has read `web` and `db` at index 10."""

    def __init__(self, *, allow_empty: bool = False, **config: object) -> None:
        self.reads = FakeReads()
        self.context = RecordingContext(allow_empty=allow_empty)
        self.memory = Memory()
        self.book = Book(self.memory, Mapper(Config.model_validate(config), "dc1"), self.reads, self.context)

    async def open(self) -> "Desk":
        await self.book.take_catalog(self.reads.catalog)
        await self.book.begin()
        await self.book.take("web", self.reads.web)
        await self.book.take("db", self.reads.db)
        return self

    @property
    def web(self) -> set[str]:
        return self.context.sink.addresses("web")


async def test_source_has_spoken_when_every_service_was_reported() -> None:
    desk = Desk()
    await desk.book.take_catalog(desk.reads.catalog)
    await desk.book.begin()
    await desk.book.take("web", desk.reads.web)
    assert not desk.context.spoken

    await desk.book.take("db", Reply((), 10))

    assert desk.context.spoken


async def test_newer_answer_replaces() -> None:
    desk = await Desk().open()

    await desk.book.take("web", Reply(instances("10.0.0.2"), 11))

    assert desk.web == {"10.0.0.2:80"}


async def test_answer_under_a_known_index_is_ignored() -> None:
    desk = await Desk().open()

    await desk.book.take("web", Reply((), 10))
    await desk.book.take("web", Reply(instances("10.0.0.2"), 10))

    assert desk.web == {"10.0.0.1:80"}


async def test_known_index_proves_nothing_after_an_outage() -> None:
    desk = await Desk().open()
    desk.reads.web = Reply(instances("10.0.0.2"), 10)

    await desk.book.take("web", desk.reads.web, doubtful=True)

    assert desk.web == {"10.0.0.2:80"}
    assert ("add", "dc1/web") in desk.context.sink.calls, "what is new was believed before what is gone"


async def test_older_answer_of_a_server_that_lags_is_read_again() -> None:
    desk = await Desk().open()
    desk.reads.web = Reply(instances("10.0.0.1", "10.0.0.3"), 12)

    await desk.book.take("web", Reply((), 9))

    assert desk.web == {"10.0.0.1:80", "10.0.0.3:80"}
    assert desk.context.sink.lost == []


@pytest.mark.parametrize(
    "distrusted",
    [Reply(instances("10.0.0.2"), 11, known_leader=False), Reply(instances("10.0.0.2"), 11, filtered=True)],
)
async def test_distrusted_answer_adds_and_is_asked_for_again(distrusted: Reply[Instances]) -> None:
    desk = await Desk().open()

    with pytest.raises(SourceError, match="nothing is removed"):
        await desk.book.take("web", distrusted)
    assert desk.web == {"10.0.0.1:80", "10.0.0.2:80"}

    await desk.book.take("web", Reply(instances("10.0.0.2"), 11))
    assert desk.web == {"10.0.0.2:80"}


async def test_token_that_never_saw_everything_is_trusted_as_far_as_it_sees() -> None:
    desk = Desk()
    desk.reads.web = Reply(instances("10.0.0.1"), 10, filtered=True)
    await desk.open()

    await desk.book.take("web", Reply(instances("10.0.0.2"), 11, filtered=True))

    assert desk.web == {"10.0.0.2:80"}


async def test_empty_answer_about_a_listed_service_leaves_an_empty_service() -> None:
    desk = await Desk().open()
    desk.reads.web = Reply((), 11)

    await desk.book.take("web", desk.reads.web)

    assert desk.context.sink.services["web"] == {}


async def test_service_is_gone_when_catalog_and_its_own_answer_agree() -> None:
    desk = await Desk().open()
    desk.reads.catalog = Reply({"consul": (), "db": ()}, 11)
    desk.reads.web = Reply((), 11)

    await desk.book.take_catalog(desk.reads.catalog)
    await desk.book.depart(desk.book.missing, doubtful=False)

    assert set(desk.context.sink.services) == {"db"}
    assert not desk.book.follows("web")


async def test_service_that_the_catalog_lacks_and_health_shows_stays() -> None:
    desk = await Desk().open()
    desk.reads.catalog = Reply({"consul": (), "db": ()}, 11)

    await desk.book.take_catalog(desk.reads.catalog)
    await desk.book.depart(desk.book.missing, doubtful=False)

    assert desk.web == {"10.0.0.1:80"}


async def test_nothing_is_gone_while_the_canary_is_not_to_be_seen() -> None:
    desk = await Desk().open()
    desk.reads.catalog = Reply({"consul": (), "db": ()}, 11)
    desk.reads.sees_canary = False
    await desk.book.take_catalog(desk.reads.catalog)

    with pytest.raises(SourceError, match="has the token lost its rights"):
        await desk.book.depart(desk.book.missing, doubtful=False)

    assert desk.web == {"10.0.0.1:80"}


async def test_a_token_that_lost_its_rights_is_told_of_although_nothing_has_changed() -> None:
    desk = await Desk().open()
    desk.reads.sees_canary = False

    with pytest.raises(SourceError, match="has the token lost its rights"):
        await desk.book.take_catalog(Reply({}, 10))

    desk.reads.sees_canary = True
    assert await desk.book.take_catalog(Reply({}, 10)) == (set(), False), "the wait was over"
    assert desk.web == {"10.0.0.1:80"}


async def test_a_token_that_sees_all_that_is_known_has_lost_nothing_that_matters() -> None:
    desk = await Desk().open()
    desk.reads.sees_canary = False

    changed, older = await desk.book.take_catalog(Reply({"web": (), "db": (), "new": ()}, 10))

    assert (changed, older, desk.book.missing) == ({"new"}, False, set())


async def test_what_a_token_sees_anew_is_followed_although_it_lost_sight_of_the_rest() -> None:
    desk = await Desk().open()
    desk.reads.sees_canary = False

    with pytest.raises(SourceError, match="has the token lost its rights"):
        await desk.book.take_catalog(Reply({"web": (), "new": ()}, 10))

    assert desk.book.names == {"web", "db", "new"}


async def test_nodes_stand_in_for_a_canary_that_the_token_never_saw() -> None:
    desk = Desk()
    desk.reads.catalog = Reply({"web": (), "db": ()}, 10)
    await desk.open()
    desk.reads.catalog, desk.reads.web = Reply({"db": ()}, 11), Reply((), 11)
    desk.reads.sees_canary = False
    await desk.book.take_catalog(desk.reads.catalog)

    desk.reads.sees_nodes = False
    with pytest.raises(SourceError):
        await desk.book.depart(desk.book.missing, doubtful=False)
    assert desk.web == {"10.0.0.1:80"}

    desk.reads.sees_nodes = True
    await desk.book.depart(desk.book.missing, doubtful=False)
    assert set(desk.context.sink.services) == {"db"}


@pytest.mark.parametrize("doubtful", [True, False])
async def test_everything_gone_at_once_is_held_and_noticed_once(doubtful: bool) -> None:
    desk = await Desk().open()
    desk.reads.catalog = Reply({"consul": ()}, 11)

    await desk.book.take_catalog(desk.reads.catalog)
    await desk.book.depart(desk.book.missing, doubtful=doubtful)
    await desk.book.depart(desk.book.missing, doubtful=doubtful)

    assert desk.web == {"10.0.0.1:80"}
    assert [event for event, _ in desk.context.notices] == ["consul.catalog_emptied"]


async def test_held_service_is_followed_again_once_the_catalog_names_it() -> None:
    desk = await Desk().open()
    await desk.book.take_catalog(Reply({"consul": ()}, 11))
    desk.reads.catalog = Reply({"consul": ()}, 11)
    await desk.book.depart(desk.book.missing, doubtful=False)
    assert not desk.book.follows("web")

    await desk.book.take_catalog(Reply({"consul": (), "web": ()}, 12))
    await desk.book.take("web", Reply(instances("10.0.0.9"), 12))

    assert desk.web == {"10.0.0.9:80"}
    assert desk.context.sink.addresses("db") == {"10.0.1.1:80"}


async def test_emptiness_is_believed_where_the_operator_allows_it() -> None:
    desk = Desk(allow_empty=True)
    await desk.open()
    desk.reads.catalog, desk.reads.web = Reply({"consul": ()}, 11), Reply((), 11)

    await desk.book.take_catalog(desk.reads.catalog)
    await desk.book.depart({"web"}, doubtful=False)

    assert "web" not in desk.context.sink.services


async def test_everything_gone_at_once_is_held_also_when_each_service_finds_out_alone() -> None:
    desk = await Desk().open()
    desk.reads.catalog, desk.reads.web, desk.reads.db = Reply({"consul": ()}, 11), Reply((), 11), Reply((), 11)

    await asyncio.gather(*(desk.book.take(name, Reply((), 11)) for name in ("web", "db")))

    assert desk.context.sink.lost == []
    assert [event for event, _ in desk.context.notices] == ["consul.catalog_emptied"]


async def test_answer_that_was_on_its_way_when_a_service_went_does_not_bring_it_back() -> None:
    desk = await Desk().open()
    desk.reads.catalog, desk.reads.web = Reply({"consul": (), "db": ()}, 11), Reply((), 11)
    await desk.book.take_catalog(desk.reads.catalog)
    await desk.book.depart(desk.book.missing, doubtful=False)

    await desk.book.take("web", Reply((), 11))

    assert set(desk.context.sink.services) == {"db"}


async def test_names_that_a_token_comes_to_see_are_followed_although_the_index_stays() -> None:
    desk = await Desk().open()

    changed, older = await desk.book.take_catalog(Reply({"consul": (), "web": (), "late": ()}, 10))

    assert (changed, older) == ({"late"}, False)
    assert desk.book.names == {"web", "db", "late"}


async def test_check_that_flaps_does_not_put_a_removal_off() -> None:
    desk = await Desk().open()
    await desk.book.take("web", Reply(instances("10.0.0.1", "10.0.0.2"), 11))
    states = itertools.cycle(["passing", "critical"])
    desk.reads.web_now = lambda: Reply(instances("10.0.0.1", status=next(states)), 5)

    async with asyncio.timeout(5):
        await desk.book.take("web", desk.reads.web_now())

    assert desk.web == {"10.0.0.1:80"}
