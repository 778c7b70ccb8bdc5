from bridge.config import ServiceRule, UnmatchedGlob, ViewRule, first_match, unmatched
from bridge.model import ServiceName

SERVICES = [ServiceName("web"), ServiceName("api-1")]


def rules(*globs: str) -> list[ServiceRule]:
    return [ServiceRule(match=glob) for glob in globs]


def test_the_first_rule_that_matches_counts() -> None:
    assert [first_match(rules("a*", "api-*", "web"), name) for name in SERVICES] == [2, 0]
    assert first_match(rules("a*"), ServiceName("web")) is None


def test_a_glob_that_counts_for_nothing_is_told_with_its_place_and_why() -> None:
    views = [ViewRule(services=("wbe", "web")), ViewRule(), ViewRule(services=("api-*", "db-*"))]

    found = list(unmatched(rules("api*", "api-1", "wbe"), views, SERVICES))

    assert found == [
        UnmatchedGlob("services[1].match", "api-1", "every service that it matches falls under an earlier rule"),
        UnmatchedGlob("services[2].match", "wbe", "no service has such a name"),
        UnmatchedGlob("views[0].services[0]", "wbe", "no service has such a name"),
        UnmatchedGlob("views[2].services[1]", "db-*", "no service has such a name"),
    ]


def test_globs_that_count_are_not_told() -> None:
    assert list(unmatched(rules("api*", "*"), [ViewRule(services=("w*",))], SERVICES)) == []
