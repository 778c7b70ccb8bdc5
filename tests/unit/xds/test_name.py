import pytest

from xds.name import AllowedNames, any_matches, certificate_names, possible_pattern


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("spiffe://prod/envoy", "spiffe://prod/envoy"),
        ("spiffe://prod/*", "spiffe://prod/envoy"),
        ("spiffe://prod/*", "spiffe://prod/ns/edge/envoy"),
        ("spiffe://prod/*", "spiffe://prod/"),
        ("edge-1.example.com", "edge-1.example.com"),
        ("edge-*", "edge-1.example.com"),
        ("10.0.0.7", "10.0.0.7"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:DB8:*", "2001:db8::1"),
        ("2001*", "2001:db8::1"),
        ("10.0.*", "10.0.0.7"),
        ("*", "anything"),
        ("*", "spiffe://prod/envoy"),
        ("*", "10.0.0.7"),
    ],
)
def test_a_name_on_the_list_is_admitted(entry: str, name: str) -> None:
    assert AllowedNames(["other", entry]).admit(["unknown", name])


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("spiffe://prod/envoy", "spiffe://prod/envoy2"),
        ("spiffe://prod/envoy", "spiffe://prod/Envoy"),
        ("spiffe://prod/*", "spiffe://production/envoy"),
        ("spiffe://prod/*", "spiffe://prod"),
        ("spiffe://prod/*", "https://evil/spiffe://prod/envoy"),
        ("edge", "edge\0.evil.example.com"),
        ("example.com", "edge.example.com"),
        ("10.0.0.7", "10.0.0.70"),
        ("[a-z]", "b"),
        ("edge-?", "edge-1"),
        ("10.0.*", "10.0.evil.example.com"),
        ("10*", "10-web.example.com"),
        ("2001*", "2001.evil.example.com"),
        ("spiffe*", "spiffe://prod/envoy"),
        ("ed*", "ed://prod/envoy"),
        ("fd*", "fd00::1"),
    ],
)
def test_another_name_is_not(entry: str, name: str) -> None:
    assert not AllowedNames([entry]).admit([name])


def test_nobody_is_admitted_without_a_name() -> None:
    assert not AllowedNames(["*"]).admit([])


NAMES = ("edge.prod", "10.prod", "spiffe://prod/edge", "10.0.0.7", "2001:db8::7")


@pytest.mark.parametrize(
    ("glob", "matched"),
    [
        ("*", set(NAMES)),
        ("?*", set(NAMES)),
        ("*prod*", {"edge.prod", "10.prod"}),
        ("*.prod", {"edge.prod", "10.prod"}),
        ("1*", {"10.0.0.7"}),
        ("10.*", {"10.0.0.7"}),
        ("10.[0-9].*", {"10.0.0.7"}),
        ("*.7", {"10.0.0.7"}),
        ("*:*", {"2001:db8::7"}),
        ("2001:DB8:*", {"2001:db8::7"}),
        ("2001:db8:0:0:0:0:0:7", {"2001:db8::7"}),
        ("*://prod/*", {"spiffe://prod/edge"}),
        ("spiffe://prod/[a-e]*", {"spiffe://prod/edge"}),
        ("spiffe*", set()),
    ],
)
def test_a_glob_is_for_one_kind_of_names(glob: str, matched: set[str]) -> None:
    assert {name for name in NAMES if any_matches(glob, [name])} == matched


def test_names_that_look_like_another_kind_are_left_out() -> None:
    dns = ["edge.prod", "spiffe://prod/edge", "10.0.0.8", "2001:db8::8", "a:b", "a/b"]
    uris = ["edge.prod.example.com", "10.0.0.9", "urn:edge", "spiffe://prod/web"]

    assert certificate_names(dns, uris, ["10.0.0.7", "<invalid>"]) == ("edge.prod", "spiffe://prod/web", "10.0.0.7")


def test_an_address_is_spelled_in_one_way() -> None:
    assert certificate_names((), (), ["2001:DB8:0:0:0:0:0:7"]) == ("2001:db8::7",)


@pytest.mark.parametrize(
    "pattern", ["*", "edge-*", "10.0.*", "2001:db8::*", "2001:db8::[1-7!2]", "*:7", "spiffe://prod/*", "*://prod/[a-z]"]
)
def test_a_pattern_that_can_match_is_taken_as_it_is(pattern: str) -> None:
    assert possible_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["spiffe:*", "urn:edge", "*/edge", "edge/*", "10.0.0.0:host"])
def test_a_pattern_that_never_could_is_a_mistake(pattern: str) -> None:
    with pytest.raises(ValueError, match="a URI is written with its scheme and '://'"):
        possible_pattern(pattern)
