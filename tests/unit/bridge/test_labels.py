import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.labels import InvalidLabel, Labels, ServiceReference, parse
from bridge.model import MAX_WEIGHT, ServiceName, UpstreamProtocol


def reference(name: str, port: int | None = None) -> ServiceReference:
    return ServiceReference(ServiceName(name), port)


def test_tags_of_others_are_not_ours() -> None:
    assert parse({"env": "prod", "traefik.enable": "maybe", "xdsweight": "x"}) == Labels()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("web", (reference("web"),)),
        ("web:8080", (reference("web", 8080),)),
        ("web,api:1", (reference("web"), reference("api", 1))),
        ("web  api:65535\tdb", (reference("web"), reference("api", 65535), reference("db"))),
        (" web, ", (reference("web"),)),
        ("team:web:80", (reference("team:web", 80),)),
    ],
)
def test_services_are_separated_by_spaces_or_commas(value: str, expected: tuple[ServiceReference, ...]) -> None:
    assert parse({"xds-service": value}).services == expected


@pytest.mark.parametrize(
    "value", ["", " , ", "web:", ":80", "web:0", "web:65536", "web:8o", "web:-1", "web web:2", "w\x00"]
)
def test_malformed_service_is_refused(value: str) -> None:
    with pytest.raises(InvalidLabel, match="'xds-service'"):
        parse({"xds-service": value})


@pytest.mark.parametrize("value", ["1", "128", "007"])
def test_weight_is_a_whole_number(value: str) -> None:
    assert parse({"xds-weight": value}).weight == int(value)


@pytest.mark.parametrize("value", ["0", "129", "-1", "1.5", "", "heavy", "¹", "9" * 5000])
def test_weight_out_of_range_is_refused(value: str) -> None:
    with pytest.raises(InvalidLabel, match="from 1 to 128"):
        parse({"xds-weight": value})


@pytest.mark.parametrize("protocol", UpstreamProtocol)
def test_protocol_is_read(protocol: UpstreamProtocol) -> None:
    assert parse({"xds-protocol": protocol.value}).protocol is protocol


def test_unknown_protocol_names_the_allowed_ones() -> None:
    with pytest.raises(InvalidLabel, match="'h2'; it must be one of http1, http2, grpc, tcp"):
        parse({"xds-protocol": "h2"})


def test_locality_is_read() -> None:
    labels = parse({"xds-region": "eu-west-1", "xds-zone": "eu-west-1a"})

    assert (labels.region, labels.zone) == ("eu-west-1", "eu-west-1a")


@pytest.mark.parametrize("key", ["xds-region", "xds-zone"])
@pytest.mark.parametrize("value", ["", "  ", "a\nb"])
def test_locality_must_be_text(key: str, value: str) -> None:
    with pytest.raises(InvalidLabel, match=key):
        parse({key: value})


def test_instance_is_enabled_unless_it_says_otherwise() -> None:
    assert parse({}).enabled
    assert parse({"xds-enable": "true"}).enabled
    assert not parse({"xds-enable": "false"}).enabled


@pytest.mark.parametrize("value", ["no", "False", "0", ""])
def test_enable_takes_true_and_false_only(value: str) -> None:
    with pytest.raises(InvalidLabel, match="true or false"):
        parse({"xds-enable": value})


def test_metadata_is_sorted_and_loses_its_prefix() -> None:
    assert parse({"xds-meta-version": "2", "xds-meta-canary": ""}).metadata == (("canary", ""), ("version", "2"))


@pytest.mark.parametrize(("key", "value"), [("xds-meta-", "1"), ("xds-meta-a", "\x07"), ("xds-meta-\x07", "a")])
def test_malformed_metadata_is_refused(key: str, value: str) -> None:
    with pytest.raises(InvalidLabel):
        parse({key: value})


def test_unknown_key_is_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(InvalidLabel, match=r"'xds-wieght'.*did you mean 'xds-weight'"):
        parse({"xds-wieght": "3"})


def test_unknown_key_near_none_is_refused_with_all_of_them() -> None:
    with pytest.raises(InvalidLabel, match="the keys are xds-service"):
        parse({"xds-!": "3"})


def test_prefix_can_be_chosen() -> None:
    assert parse({"lb.weight": "3", "xds-weight": "4"}, prefix="lb.").weight == 3


NAMES = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=12)


@given(
    services=st.dictionaries(NAMES, st.none() | st.integers(1, 65535), min_size=1, max_size=4),
    weight=st.integers(1, MAX_WEIGHT),
    protocol=st.sampled_from(UpstreamProtocol),
    metadata=st.dictionaries(NAMES, NAMES, max_size=3),
    separator=st.sampled_from([" ", ",", ", ", "\t"]),
)
def test_what_is_written_is_what_is_read(
    services: dict[str, int | None], weight: int, protocol: UpstreamProtocol, metadata: dict[str, str], separator: str
) -> None:
    items = [name if port is None else f"{name}:{port}" for name, port in services.items()]
    tags = {f"xds-meta-{key}": value for key, value in metadata.items()}

    labels = parse(
        {**tags, "xds-service": separator.join(items), "xds-weight": str(weight), "xds-protocol": protocol.value}
    )

    assert labels == Labels(
        services=tuple(reference(name, port) for name, port in services.items()),
        weight=weight,
        protocol=protocol,
        metadata=tuple(sorted(metadata.items())),
    )


@given(st.dictionaries(st.sampled_from(["xds-service", "xds-weight", "xds-zone", "xds-meta-a", "xds-x"]), st.text()))
def test_any_text_is_read_or_refused_with_its_key(tags: dict[str, str]) -> None:
    try:
        parse(tags)
    except InvalidLabel as error:
        assert any(repr(key) in str(error) for key in tags)  # noqa: PT017 (either outcome is right)
