from collections.abc import Iterable, Sequence

import pytest

from bridge.config import GuardConfig, ViewMatch, ViewRule
from bridge.model import EndpointKey, ServiceName, SourceName
from bridge.reload import Loss, of_sources, of_views
from bridge.reload.forecast import Forecast
from bridge.reload.loss import Contribution, Limits, Rules, excessive, stricter
from xds import Client, Node

OLD, NEW, OTHER = SourceName("old"), SourceName("new"), SourceName("other")
EDGE, CORE = ViewMatch(cluster="edge"), ViewMatch(cluster="core")
SERVICES = {
    ServiceName("web"): frozenset({EndpointKey("10.0.0.1", 80), EndpointKey("10.0.0.2", 80)}),
    ServiceName("api"): frozenset[EndpointKey](),
    ServiceName("db"): frozenset[EndpointKey](),
}
SAME = Forecast(SERVICES, SERVICES)


def says(**services: Iterable[int]) -> Contribution:
    endpoints = {
        (ServiceName(name), EndpointKey("10.0.0.1", port)) for name, ports in services.items() for port in ports
    }
    return Contribution(frozenset(map(ServiceName, services)), frozenset(endpoints))


def lost(old: Sequence[ViewRule], new: Sequence[ViewRule], *clusters: str, required: bool = False) -> dict[str, int]:
    """How many clusters each view loses, where it loses any."""
    clients = [Client(Node("id", cluster), "peer") for cluster in clusters]
    found = of_views(SAME, Rules(old, required=False), Rules(new, required), clients)
    return {loss.of: loss.clusters for loss in found if loss.clusters}


def test_what_remaining_sources_report_is_not_lost() -> None:
    known = {OLD: says(web=[1, 2], api=[3]), NEW: says(web=[1])}

    (loss,) = of_sources(known, [OLD], [NEW])

    assert loss == Loss('source "old"', 1, 2, 2, 3, ("api 10.0.0.1:3", "web 10.0.0.1:2"))


def test_a_cluster_without_endpoints_counts() -> None:
    (loss,) = of_sources({OLD: says(web=[])}, [OLD], [])

    assert (loss.clusters, loss.endpoints, loss.named) == (1, 0, ("web (the cluster)",))


def test_sources_that_go_together_do_not_stand_in_for_each_other() -> None:
    known = {OLD: says(web=[1]), OTHER: says(web=[1])}

    losses = of_sources(known, [OLD, OTHER], [NEW])

    assert [loss.endpoints for loss in losses] == [1, 1]


def test_a_share_is_exceeded_by_more_than_itself() -> None:
    assert not Loss("x", 1, 2, 5, 10, ()).exceeds(0.5)
    assert Loss("x", 2, 3, 0, 10, ()).exceeds(0.5)
    assert Loss("x", 0, 3, 6, 10, ()).exceeds(0.5)
    assert not Loss("x", 0, 0, 0, 0, ()).exceeds(0.0)


def test_twenty_losses_are_named_and_the_others_counted() -> None:
    lines = list(Loss("the view default", 25, 25, 0, 0, tuple(f"s{n:02}" for n in range(25))).lines())

    assert lines[0] == "the view default would lose 25 of 25 clusters and 0 of 0 endpoints:"
    assert lines[1] == "  s00"
    assert lines[20:] == ["  s19", "  … and 5 more"]


def test_small_sources_may_go_if_every_view_keeps_enough() -> None:
    small, large = Loss("source", 1, 1, 9, 9, ()), Loss("source", 1, 1, 10, 10, ())
    little, much = Loss("view", 0, 1, 5, 10, ()), Loss("view", 0, 1, 6, 10, ())

    assert excessive([small, large], [little, much], Limits(0.5, 10)) == [large, much]


def test_a_small_view_counts() -> None:
    assert excessive([], [Loss("view", 1, 1, 1, 1, ())], Limits(0.5, 10))


def test_the_stricter_guard_of_both_counts() -> None:
    one, other = (
        GuardConfig.model_validate({"max_loss": "10%", "min_endpoints": 50}),
        GuardConfig.model_validate({"max_loss": "60%", "min_endpoints": 5}),
    )

    assert stricter(one, other) == stricter(other, one) == Limits(0.1, 5)


def test_a_narrower_rule_takes_from_its_view_whoever_is_there() -> None:
    old, new = ViewRule(match=EDGE, services=("web", "api")), ViewRule(match=EDGE, services=("web",))

    assert lost([old], [new]) == {"the view views[0]": 1}


def test_rules_are_told_apart_by_whom_they_are_for_and_not_by_their_place() -> None:
    edge, core = ViewRule(match=EDGE, services=("web",)), ViewRule(match=CORE, services=("db",))

    assert lost([edge, core], [core, edge], "edge", "core") == {}


def test_without_its_rule_an_envoy_falls_under_what_is_for_everybody() -> None:
    edge, rest = ViewRule(match=EDGE, services=("web", "api")), ViewRule(services=("web",))

    assert lost([edge], []) == {}
    assert lost([edge], [rest]) == {"the view default": 2, "the view views[0]": 1}
    assert lost([edge], [], required=True) == {"the view default": 3, "the view views[0]": 2}
    assert lost([edge], [rest, edge]) == {"the view default": 2, "the view views[0]": 1}


def test_the_envoys_that_are_there_count_by_the_rule_they_will_fall_under() -> None:
    edge = ViewRule(match=EDGE, services=("web",))

    assert lost([], [edge]) == {}
    assert lost([], [edge], "other") == {}
    assert lost([], [edge], "edge") == {"the view default": 2}
    assert lost([], [edge], "other", required=True) == {"the view default": 3}


@pytest.mark.parametrize("match", [ViewMatch(), ViewMatch(id="*"), ViewMatch(id="*", cluster="*")])
def test_envoys_that_no_rule_is_for_count_whether_they_are_there_or_not(match: ViewMatch) -> None:
    web = ViewRule(match=match, services=("web",))

    assert lost([], [web]) == {"the view default": 2}
    assert lost([web], [], required=True) == {"the view views[0]": 1}
    assert lost([], [ViewRule(match=EDGE)], required=True) == {"the view default": 3}


def test_rules_that_nobody_falls_under_do_not_count() -> None:
    web, everybody = ViewRule(match=EDGE, services=("web",)), ViewRule()

    assert lost([web, ViewRule(match=EDGE)], [web]) == {}
    assert lost([everybody, ViewRule(match=EDGE)], [everybody, web]) == {}


def test_nobody_is_in_the_default_view_where_a_rule_is_required() -> None:
    rules, web = [ViewRule(match=EDGE)], ViewRule(services=("web",))

    (loss,) = of_views(SAME, Rules(rules, required=True), Rules([*rules, web], required=True), [])

    assert (loss.of, loss.clusters) == ("the view views[0]", 0)


def test_each_view_loses_what_is_no_longer_served() -> None:
    web, db = ServiceName("web"), ServiceName("db")
    forecast = Forecast(SERVICES, {web: frozenset([EndpointKey("10.0.0.1", 80)]), db: frozenset()})
    rules = Rules([ViewRule(match=EDGE, services=("web",))], required=False)

    edge, default = of_views(forecast, rules, rules, [])

    assert default == Loss("the view default", 1, 3, 1, 2, ("api (0 endpoints)", "web (1 of 2 endpoints)"))
    assert edge == Loss("the view views[0]", 0, 1, 1, 2, ("web (1 of 2 endpoints)",))


def test_endpoints_are_counted_as_they_are_served() -> None:
    old, new = ViewRule(match=EDGE, services=("web", "api")), ViewRule(match=EDGE, services=("api",))

    loss, _ = of_views(SAME, Rules([old], required=False), Rules([new], required=False), [])

    assert (loss.endpoints, loss.all_endpoints, loss.named) == (2, 2, ("web (2 endpoints)",))


def test_no_service_no_loss() -> None:
    losses = of_views(Forecast({}, {}), Rules([ViewRule(match=EDGE)], required=False), Rules([], required=True), [])

    assert not any(loss.exceeds(0.0) for loss in losses)
