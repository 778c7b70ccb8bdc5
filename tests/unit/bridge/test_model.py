import pytest

from bridge.model import Endpoint, EndpointKey, Locality, canonical_address


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("fd00:0::6", "fd00::6"),
        ("FE80::1", "fe80::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
    ],
)
def test_an_address_has_one_spelling(text: str, canonical: str) -> None:
    assert canonical_address(text) == canonical


@pytest.mark.parametrize("text", ["db.internal", "", "[::1]", "10.0.0.1 ", "010.0.0.1", "10.0.0.256", "10.0.0.1\n"])
def test_what_envoy_would_refuse_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        canonical_address(text)


@pytest.mark.parametrize("text", ["fe80::1%eth0", "fe80::1%\ud800", "::1%a\nb", "::1%" + "x" * 100_000])
def test_an_address_that_names_an_interface_is_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(ValueError, match="names an interface") as refusal:
        canonical_address(text)
    assert len(str(refusal.value)) < 300
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("port", [0, -1, 65536, 70000])
def test_a_port_outside_its_range_makes_no_endpoint(port: int) -> None:
    with pytest.raises(ValueError, match=f"port {port} is not between 1 and 65535"):
        Endpoint("10.0.0.1", port)


@pytest.mark.parametrize("weight", [0, -1, 129])
def test_a_weight_outside_its_range_makes_no_endpoint(weight: int) -> None:
    with pytest.raises(ValueError, match=f"weight {weight} is not between 1 and 128"):
        Endpoint("10.0.0.1", 80, weight=weight)


@pytest.mark.parametrize("metadata", [(("b", "1"), ("a", "1")), (("a", "1"), ("a", "2"))])
def test_metadata_is_sorted_and_without_duplicates(metadata: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ValueError, match="metadata"):
        Endpoint("10.0.0.1", 80, metadata=metadata)


@pytest.mark.parametrize("text", ["line\nbreak", "\x1b[31m", "\x00", "\ud800"])
def test_control_characters_make_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        Endpoint("10.0.0.1", 80, locality=Locality(zone=text))
    with pytest.raises(ValueError, match="control character"):
        Endpoint("10.0.0.1", 80, metadata=(("key", text),))


def test_text_beyond_ascii_is_welcome() -> None:
    endpoint = Endpoint("10.0.0.1", 80, locality=Locality(region="zürich"), metadata=(("team", "数据"),))

    assert endpoint.locality.region == "zürich"


@pytest.mark.parametrize(
    ("key", "text"), [(EndpointKey("10.0.0.1", 80), "10.0.0.1:80"), (EndpointKey("fd00::6", 80), "[fd00::6]:80")]
)
def test_a_key_reads_as_an_address_and_a_port(key: EndpointKey, text: str) -> None:
    assert str(key) == text
