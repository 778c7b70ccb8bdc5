import json

import pytest

from adapters.file import FileAdapter, FileConfig, parse
from bridge.adapter import AdapterType
from bridge.errors import SourceError
from bridge.model import Endpoint, Entry, Health, Locality, ServiceName, SetAside, UpstreamProtocol

WEB = ServiceName("web")
_: AdapterType[FileConfig] = FileAdapter


def read(text: str) -> dict[str, frozenset[Entry]]:
    return {str(name): entries for name, entries in parse(text.encode(), "endpoints.yaml").items()}


def refusal(text: str) -> str:
    with pytest.raises(SourceError) as caught:
        parse(text.encode(), "endpoints.yaml")
    return str(caught.value)


def reasons(text: str) -> list[str]:
    return sorted(entry.reason for entry in read(text)["web"] if isinstance(entry, SetAside))


def test_every_key_of_an_endpoint_is_read() -> None:
    services = read("""
services:
  web:
    - address: 10.0.0.7
      port: 8080
      region: eu-west-1
      zone: eu-west-1a
      sub_zone: rack-3
      weight: 2
      health: draining
      protocol: grpc
      metadata: {version: v1, canary: "true"}
""")

    assert services == {
        "web": frozenset(
            {
                Endpoint(
                    "10.0.0.7",
                    8080,
                    Health.DRAINING,
                    2,
                    Locality("eu-west-1", "eu-west-1a", "rack-3"),
                    (("canary", "true"), ("version", "v1")),
                    protocol=UpstreamProtocol.GRPC,
                )
            }
        )
    }


def test_address_and_port_are_enough() -> None:
    services = read("services: {web: [{address: 10.0.0.7, port: 8080}]}")

    assert services == {"web": frozenset({Endpoint("10.0.0.7", 8080)})}


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_is_read_as_well(indent: int | str | None) -> None:
    document = {"services": {"web": [{"address": "fd00::6", "port": 8080, "metadata": {"path": "a/b"}}]}}

    services = read(json.dumps(document, indent=indent))

    assert services == {"web": frozenset({Endpoint("fd00::6", 8080, metadata=(("path", "a/b"),))})}


def test_addresses_get_their_one_spelling() -> None:
    services = read("services: {web: [{address: 'fd00:0::6', port: 1}, {address: '::ffff:10.0.0.1', port: 1}]}")

    assert services["web"] == {Endpoint("fd00::6", 1), Endpoint("10.0.0.1", 1)}


def test_no_services_is_empty_and_complete() -> None:
    assert read("services: {}") == {}


def test_service_without_endpoints_exists() -> None:
    assert read("services: {web: []}") == {"web": frozenset()}


def test_yaml_1_2_does_not_read_words_as_booleans() -> None:
    services = read("services: {on: [{address: 10.0.0.1, port: 80, zone: no}]}")

    assert services == {"on": frozenset({Endpoint("10.0.0.1", 80, locality=Locality(zone="no"))})}


def test_anchors_and_merge_keys_work() -> None:
    services = read("""
services:
  web:
    - &first {address: 10.0.0.1, port: 80, zone: a}
    - {<<: *first, address: 10.0.0.2}
""")

    assert services["web"] == {
        Endpoint("10.0.0.1", 80, locality=Locality(zone="a")),
        Endpoint("10.0.0.2", 80, locality=Locality(zone="a")),
    }


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("{address: 10.0.0.1, port: 70000}", "port 70000 is not between 1 and 65535"),
        ("{address: 10.0.0.1, port: 0}", "port 0 is not between 1 and 65535"),
        ("{address: db.internal, port: 80}", "address 'db.internal' is not an IP address; EDS takes IP addresses only"),
        ("{address: 10.0.0.1, port: '80'}", "port: Input should be a valid integer"),
        ("{address: 10.0.0.1, port: true}", "port: Input should be a valid integer"),
        ("{address: 10.0, port: 80}", "address: Input should be a valid string"),
        ("{address: 10.0.0.1}", "port: Field required"),
        ("{adress: 10.0.0.1, port: 80}", "address: Field required; unknown key 'adress'; did you mean 'address'?"),
        ("{address: 10.0.0.1, port: 80, colour: red}", "unknown key 'colour'"),
        ("{address: 10.0.0.1, port: 80, weight: 0}", "weight 0 is not between 1 and 128"),
        ("{address: 10.0.0.1, port: 80, metadata: {version: 1.2}}", "metadata.version: Input should be a valid string"),
        ("{address: 10.0.0.1, port: 80, zone: null}", "zone: Input should be a valid string"),
        (r'{address: 10.0.0.1, port: 80, zone: "a\nb"}', r"'a\nb' holds the control character '\n'"),
        ("10.0.0.1:80", "an endpoint is a mapping with address and port"),
        ("null", "an endpoint is a mapping with address and port"),
        ("[10.0.0.1, 80]", "an endpoint is a mapping with address and port"),
    ],
)
def test_wrong_endpoint_is_set_aside_alone_with_its_line(endpoint: str, reason: str) -> None:
    text = f"services:\n  web:\n    - {{address: 10.0.0.9, port: 80}}\n    - {endpoint}\n"

    assert reasons(text) == [f"endpoints.yaml:4: {reason}"]
    assert Endpoint("10.0.0.9", 80) in read(text)["web"]


def test_wrong_health_names_the_right_ones() -> None:
    (reason,) = reasons("services: {web: [{address: 10.0.0.1, port: 80, health: ill}]}")

    assert "health: Input should be 'healthy', 'degraded', 'unhealthy', 'draining' or 'unknown'" in reason


def test_endpoint_listed_twice_is_set_aside_once() -> None:
    text = "services:\n web:\n - {address: 10.0.0.1, port: 80}\n - {address: 10.0.0.1, port: 80, weight: 9}\n"

    assert reasons(text) == ["endpoints.yaml:4: 10.0.0.1:80 is already on line 3"]
    assert Endpoint("10.0.0.1", 80) in read(text)["web"]


def test_what_was_reported_is_shown() -> None:
    (entry,) = read("services: {web: [{address: db.internal, port: 5432}]}")["web"]

    assert isinstance(entry, SetAside)
    assert entry.reported == "db.internal:5432"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "endpoints.yaml:1:1: expected `services:`"),
        ("null", "endpoints.yaml:1:1: expected `services:`"),
        ("[]", "endpoints.yaml:1:1: expected `services:`"),
        ("web: []", "endpoints.yaml:1:1: expected `services:`"),
        ("services:", "write `services: {}` for none"),
        ("services: []", "write `services: {}` for none"),
        ("services: {}\nservice: {}", "endpoints.yaml:2:1: unknown key 'service'"),
        ("services:\n  web: []\n  web: []", 'endpoints.yaml:3:3: found duplicate key "web"'),
        ("services:\n  web: [{port: 1, port: 2}]", "endpoints.yaml:2:19: found duplicate key"),
        ("services:\n  web: [", "endpoints.yaml:2:9: expected the node content"),
        ("services:\n\tweb: []", "endpoints.yaml:2:1: found character"),
        ("services:\n  web:", "endpoints.yaml:2:3: service 'web' is not a list of endpoints; write `web: []` for none"),
        ("services:\n  web: {address: 10.0.0.1, port: 80}", "endpoints.yaml:2:3: service 'web' is not a list"),
        ("services:\n  8080: []", "endpoints.yaml:2:3: the name of a service is text; write '8080'"),
        ("services: {}\n---\nservices: {}", "endpoints.yaml:2:1: but found another document"),
        ("services: {web: [2001-99-99]}", "endpoints.yaml: is not YAML: month must be in 1..12"),
        ("services: {web: [!!bool maybe]}", "endpoints.yaml: is not YAML"),
        ("services: \0", "endpoints.yaml: is not YAML"),
        ("[" * 5000, "endpoints.yaml: is not YAML"),
    ],
)
def test_broken_file_fails_as_a_whole_and_says_where(text: str, message: str) -> None:
    assert message in refusal(text)


def test_bytes_that_are_no_text_fail_as_a_whole() -> None:
    with pytest.raises(SourceError, match="is not YAML"):
        parse(b"services: {}\n# \xff", "endpoints.yaml")


def test_byte_order_mark_is_ignored() -> None:
    assert parse(b"\xef\xbb\xbfservices: {}", "endpoints.yaml") == {}
