from dataclasses import dataclass, field

from bridge.diff import between
from bridge.history import Age, History
from bridge.merge import Origin, ServedEndpoint, Service
from bridge.model import Endpoint, EndpointKey, Health, InstanceId, Scope, ServiceName, SourceName

WEB = ServiceName("web")
ONE, TWO = EndpointKey("10.0.0.1", 80), EndpointKey("10.0.0.2", 80)


@dataclass
class Teller:
    """A history, and what it was told last."""

    now: float = 100.0
    before: dict[EndpointKey, Endpoint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.history = History(lambda: self.now)

    def publish(self, *keys: EndpointKey, health: Health = Health.HEALTHY, reported: float = 0.0) -> None:
        origin = Origin(SourceName("dc1"), Scope("dc1/web"), InstanceId("i"), since=reported)
        endpoints = {key: Endpoint(key.address, key.port, health) for key in keys}
        service = Service(WEB, tuple(ServedEndpoint(endpoint, (origin,)) for endpoint in endpoints.values()))
        changes = between(self.before, endpoints)
        self.history.tell({WEB: changes} if changes else {}, {WEB: service} if keys else {})
        self.history.published()
        self.before = endpoints


def test_what_is_served_from_the_start_on_is_as_old_as_its_first_report() -> None:
    teller = Teller(now=100.0)

    teller.publish(ONE, reported=7.0)

    assert teller.history.of(WEB) == {ONE: Age(7.0, 7.0)}


def test_what_comes_later_is_as_old_as_its_publication() -> None:
    teller = Teller()
    teller.publish(ONE, reported=7.0)

    teller.now = 200.0
    teller.publish(ONE, TWO, reported=7.0)

    assert teller.history.of(WEB) == {ONE: Age(7.0, 7.0), TWO: Age(200.0, 200.0)}


def test_a_change_keeps_since_when_it_is_served() -> None:
    teller = Teller()
    teller.publish(ONE, reported=7.0)

    teller.now = 200.0
    teller.publish(ONE, health=Health.DRAINING)

    assert teller.history.of(WEB) == {ONE: Age(7.0, 200.0)}


def test_one_that_was_gone_begins_anew_and_a_service_that_is_gone_leaves_nothing() -> None:
    teller = Teller()
    teller.publish(ONE, reported=7.0)
    teller.publish()
    gone = teller.history.of(WEB)

    teller.now = 200.0
    teller.publish(ONE, reported=7.0)

    assert gone == {}
    assert teller.history.of(WEB) == {ONE: Age(200.0, 200.0)}


def test_nothing_is_told_of_where_nothing_was_published() -> None:
    assert Teller().history.of(WEB) == {}
