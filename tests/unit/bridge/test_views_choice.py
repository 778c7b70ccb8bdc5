import pytest

from bridge.config import ViewMatch, ViewRule
from bridge.views.choice import chosen, heir, introduction, matches, selected
from xds import Client, Locality, Node

EDGE = Node("edge-7", "edge", Locality(region="eu"), (("team", "payments"), ("tier", "1")))
PROVEN = Client(EDGE, "ipv4:10.0.0.1:4000", ("edge.prod", "spiffe://prod/edge/7"))
STRANGER = Client(Node(), "ipv4:10.0.0.2:4000")


@pytest.mark.parametrize(
    "match",
    [
        ViewMatch(),
        ViewMatch(id="edge-*"),
        ViewMatch(id="edge-[0-9]"),
        ViewMatch(cluster="edge"),
        ViewMatch(metadata={"team": "pay*"}),
        ViewMatch(metadata={"team": "pay*", "tier": "?"}),
        ViewMatch(san="spiffe://prod/edge/*"),
        ViewMatch(san="edge.prod"),
        ViewMatch(id="edge-*", cluster="edge", metadata={"tier": "1"}, san="*"),
    ],
    ids=repr,
)
def test_everything_that_is_given_has_to_match(match: ViewMatch) -> None:
    assert matches(match, PROVEN)


@pytest.mark.parametrize(
    "match",
    [
        ViewMatch(id="edge"),
        ViewMatch(id="EDGE-*"),
        ViewMatch(id="edge-*", cluster="web"),
        ViewMatch(metadata={"team": "pay"}),
        ViewMatch(metadata={"team": "pay*", "tier": "2"}),
        ViewMatch(metadata={"owner": "*"}),
        ViewMatch(san="spiffe://test/*"),
        ViewMatch(id="edge-*", san="web.prod"),
    ],
    ids=repr,
)
def test_one_thing_that_does_not_match_is_enough(match: ViewMatch) -> None:
    assert not matches(match, PROVEN)


def test_a_client_that_proves_nothing_has_no_name_to_match() -> None:
    assert not matches(ViewMatch(san="*"), STRANGER)
    assert matches(ViewMatch(id="*"), STRANGER)


def test_a_name_matches_no_glob_for_another_kind() -> None:
    forged = Client(EDGE, "ipv4:10.0.0.3:4000", ("10.0.evil.example.com", "https://evil/edge.prod"))

    assert not any(matches(ViewMatch(san=glob), forged) for glob in ("10.0.*", "*edge.prod", "2001:db8::*"))


def test_the_first_rule_that_matches_is_chosen() -> None:
    rules = [ViewRule(match=ViewMatch(cluster="web")), ViewRule(match=ViewMatch(id="edge-*")), ViewRule()]

    assert chosen(rules, PROVEN) == 1
    assert chosen(rules, STRANGER) == 2
    assert chosen(rules[:2], STRANGER) is None


def test_services_are_selected_by_any_of_several_globs() -> None:
    names = ["web", "web-2", "api-1", "API-1", "db"]

    assert [name for name in names if selected(("web", "api-*"), name)] == ["web", "api-1"]


def test_a_client_is_introduced_by_all_that_it_says() -> None:
    assert introduction(PROVEN) == (
        "node id 'edge-7', cluster 'edge', metadata 'team=payments, tier=1', "
        "names in its certificate 'edge.prod, spiffe://prod/edge/7'"
    )
    assert introduction(STRANGER) == (
        "node id (none), cluster (none), metadata (none), names in its certificate (none)"
    )


def test_a_long_or_odd_introduction_is_cut_and_quoted() -> None:
    odd = Client(Node("x" * 100_000, "a\nb", metadata=(("k" * 100_000, "v" * 100_000),)), "p", ("s" * 100_000,))

    said = introduction(odd)

    assert len(said) < 1000
    assert "'a\\nb'" in said


OF_EDGE, OF_CORE = ViewMatch(cluster="edge"), ViewMatch(cluster="core")


@pytest.mark.parametrize(
    ("match", "rules", "place"),
    [
        (OF_EDGE, [OF_CORE, OF_EDGE], 1),
        (OF_EDGE, [OF_CORE, ViewMatch(), OF_EDGE], 1),
        (OF_EDGE, [OF_CORE], None),
        (None, [OF_CORE, ViewMatch(id="*")], 1),
        (None, [OF_CORE], None),
    ],
)
def test_clients_of_a_rule_go_to_the_same_one_or_to_that_for_everybody(
    match: ViewMatch | None, rules: list[ViewMatch], place: int | None
) -> None:
    assert heir([ViewRule(match=each) for each in rules], match) == place
