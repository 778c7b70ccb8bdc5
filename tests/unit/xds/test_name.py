import pytest

from xds.name import AllowedNames


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
        ("2001:db8::1", "2001:db8:0:0:0:0:0:1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("10.0.*", "10.0.0.7"),
        ("*", "anything"),
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
    ],
)
def test_another_name_is_not(entry: str, name: str) -> None:
    assert not AllowedNames([entry]).admit([name])


def test_nobody_is_admitted_without_a_name() -> None:
    assert not AllowedNames(["*"]).admit([])
