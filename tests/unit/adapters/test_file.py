import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.file import FileAdapter, FileConfig, explained, parse
from bridge.adapter import AdapterType
from bridge.document import parse as parse_document
from bridge.errors import SourceError
from bridge.model import Endpoint, EndpointKey, Entry, Health, Locality, ServiceName, SetAside, UpstreamProtocol
from bridge.provenance import Question, Statement, Verdict
from support.context import MemorySink, into
from support.endpoints_file import EndpointsFile
from support.ticks import ManualTicks
from support.waiting import eventually

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


def test_the_name_of_a_service_is_text_whatever_it_looks_like() -> None:
    assert read("services: {8080: [], on: [], ~: []}").keys() == {"8080", "on", "~"}


def test_no_services_is_empty_and_complete() -> None:
    assert read("services: {}") == {}


def test_service_without_endpoints_exists() -> None:
    assert read("services: {web: []}") == {"web": frozenset()}


def test_yaml_1_2_does_not_read_words_as_booleans() -> None:
    services = read("services: {on: [{address: 10.0.0.1, port: 80, zone: no}]}")

    assert services == {"on": frozenset({Endpoint("10.0.0.1", 80, locality=Locality(zone="no"))})}


def test_aliases_work() -> None:
    services = read("""
services:
  web:
    - {address: 10.0.0.1, port: 80, metadata: &meta {version: v1}}
    - &second {address: 10.0.0.2, port: 80, metadata: *meta}
  api: [*second]
""")

    assert services["api"] == {Endpoint("10.0.0.2", 80, metadata=(("version", "v1"),))}
    assert services["api"] < services["web"]


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
        ("{address: 10.0.0.1, port: %s}" % ("9" * 5000), "port: Input should be a valid integer"),
        ("{address: 10.0.0.1, port: 80, zone: 2001-99-99, weight: 0}", "weight 0 is not between 1 and 128"),
        ("{<<: [1, 2], address: 10.0.0.1, port: 80}", "merge keys (<<) are no part of YAML 1.2; write the keys out"),
        ("{<<: 5}", "merge keys (<<) are no part of YAML 1.2; write the keys out"),
        ("!foo {address: 10.0.0.1, port: 80}", "the tag !foo is not supported"),
        ("{address: 10.0.0.1, port: !foo 80}", "port: the tag !foo is not supported"),
        ("{port: 1, port: 2}", "port: the key is given twice, first in line 4"),
        (
            "{address: 10.0.0.1, port: 80, metadata: {a: b, a: c}}",
            "metadata.a: the key is given twice, first in line 4",
        ),
        ("{? [a] : b}", "a key must be text"),
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


def test_two_endpoints_on_one_line_are_two() -> None:
    text = "services: {web: [{address: 10.0.0.1, port: 80}, {address: 10.0.0.1, port: 80, weight: 9}]}"

    assert reasons(text) == ["endpoints.yaml:1: 10.0.0.1:80 is already on line 1"]


def test_a_date_or_a_merge_key_takes_no_neighbour_with_it() -> None:
    text = "services:\n web:\n - {address: 2001-99-99, port: 80}\n - {<<: 5}\n - {address: 10.0.0.1, port: 80}\n"

    assert Endpoint("10.0.0.1", 80) in read(text)["web"]
    assert len(reasons(text)) == 2


@pytest.mark.parametrize(
    "form", ["- *bomb", "- {address: *bomb, port: *bomb}", "- {address: 10.0.0.1, *text : 1, port: 1}"]
)
def test_what_aliases_stand_for_is_not_written_out(form: str) -> None:
    text = f"""
services:
  one: [&text {"x" * 100_000}]
  two: [&bomb [{", ".join(["*text"] * 10_000)}]]
  web:
    {form}
"""

    entries = read(text)["web"]

    (entry,) = entries
    assert isinstance(entry, SetAside)
    assert len(entry.reported) < 300
    assert len(entry.reason) < 1000


def test_many_mistakes_of_one_endpoint_are_not_all_told() -> None:
    keys = ", ".join(f"key{number}: 1" for number in range(1000))

    (reason,) = reasons(f"services: {{web: [{{address: 10.0.0.1, port: 80, {keys}}}]}}")

    assert len(reason) < 500


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
        ("services: {}\nservice: {}", "endpoints.yaml:2:1: service: unknown key; `services` is the only one"),
        (
            "services:\n  web: []\n  web: []",
            "endpoints.yaml:3:3: services.web: the key is given twice, first in line 2",
        ),
        ("services:\n  web: [", "endpoints.yaml:2:9: not YAML: while parsing a flow node, expected the node content"),
        ("services:\n\tweb: []", "endpoints.yaml:2:1: not YAML: while scanning for the next token, found character"),
        ("services:\n  web:", "endpoints.yaml:2:3: services.web: is not a list of endpoints; write `web: []` for none"),
        ("services:\n  web: {address: 10.0.0.1, port: 80}", "endpoints.yaml:2:3: services.web: is not a list"),
        ("services: {}\n---\nservices: {}", "endpoints.yaml:2:1: there is a second document"),
        ("services: !foo {}", "endpoints.yaml:1:11: services: the tag !foo is not supported"),
        (
            "services: {web: !!set []}",
            "endpoints.yaml:1:17: services.web: the tag tag:yaml.org,2002:set is not supported",
        ),
        ("services: {<<: {}}", "endpoints.yaml:1:12: services: merge keys (<<)"),
        ("services: \0", "endpoints.yaml:1:11: character '\\x00' is not allowed"),
        ("[" * 5000, "endpoints.yaml:1:65: nested deeper than 64 levels"),
    ],
)
def test_broken_file_fails_as_a_whole_and_says_where(text: str, message: str) -> None:
    assert message in refusal(text)


def test_bytes_that_are_no_text_fail_as_a_whole() -> None:
    with pytest.raises(SourceError, match="byte 15 is not UTF-8"):
        parse(b"services: {}\n# \xff", "endpoints.yaml")


def test_byte_order_mark_is_ignored() -> None:
    assert parse(b"\xef\xbb\xbfservices: {}", "endpoints.yaml") == {}


FILE = b"""
services:
  web:
    - {address: 10.0.0.1, port: 80, metadata: {team: blue}}
    - {address: 10.0.0.2, port: 0}
  db:
    - {address: "fd00::1", port: 80}
"""


def found(question: Question) -> Statement:
    return explained(parse_document("endpoints.yaml", FILE.decode()), "endpoints.yaml", question)


def test_an_entry_is_explained_with_its_line_its_keys_and_its_mistake() -> None:
    told = found(Question(service="web"))

    wrong, right = told.sightings
    assert (wrong.verdict, wrong.reported) == (Verdict.SET_ASIDE, "10.0.0.2:0")
    assert wrong.reason.startswith("endpoints.yaml:5: ")
    assert (right.verdict, right.scope) == (Verdict.REPORTED, "endpoints.yaml")
    assert dict(right.raw) == {"(line)": "4", "address": "10.0.0.1", "port": "80", "metadata": "team: blue"}


def test_an_address_is_explained_wherever_it_stands_and_others_are_near() -> None:
    there = found(Question(key=EndpointKey("fd00::1", 80)))
    other = found(Question(key=EndpointKey("10.0.0.1", 81)))
    unknown = found(Question(service="wep"))

    assert [each.services for each in there.sightings] == [("db",)]
    assert (other.sightings, other.nearest) == ((), ("10.0.0.1:80",))
    assert (unknown.nearest, unknown.looked) == (("web",), "2 services of endpoints.yaml")


async def test_a_file_that_was_not_read_yet_cannot_be_explained() -> None:
    adapter = FileAdapter(FileConfig.model_validate({"path": "/endpoints.yaml"}))

    with pytest.raises(SourceError, match="was not read yet"):
        await adapter.explain(Question(service="web"))


@asynccontextmanager
async def large(folder: Path) -> AsyncIterator[tuple[FileAdapter, Callable[[Sequence[EndpointKey]], Awaitable[None]]]]:
    """An adapter that reads 500 endpoints from a file, and what has it read others."""
    file, ticks, sink = EndpointsFile(folder / "endpoints.yaml"), ManualTicks(), MemorySink()
    adapter = FileAdapter(FileConfig.model_validate({"path": str(file.path), "interval": "10ms"}))

    async def put(endpoints: Sequence[EndpointKey]) -> None:
        def is_read() -> bool:
            ticks.tick()
            return len(sink.services.get(WEB, ())) == len(endpoints)

        file.set("web", endpoints)
        await eventually(is_read)

    async with into(sink, adapter, ticks):
        await put([EndpointKey(f"10.0.{number // 250}.{number % 250}", 80) for number in range(500)])
        yield adapter, put


async def given_up(adapter: FileAdapter) -> None:
    """Ask, and do not wait for the answer."""
    asking = asyncio.create_task(adapter.explain(Question(service="web")))
    await asyncio.sleep(0)  # it begins
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_however_often_a_large_file_is_asked_for_it_is_read_anew_once_at_a_time(tmp_path: Path) -> None:
    async with large(tmp_path) as (adapter, _put):
        await given_up(adapter)
        begun = {each for each in threading.enumerate() if each.name.startswith("explain-file")}
        for _ in range(3):
            await given_up(adapter)
        threads = {each for each in threading.enumerate() if each.name.startswith("explain-file")}
        told = await adapter.explain(Question(key=EndpointKey("10.0.1.7", 80)))

    assert len(begun) == 1
    assert threads <= begun
    assert [each.reported for each in told.sightings] == ["10.0.1.7:80"]


async def test_a_file_that_became_another_while_it_was_read_anew_is_explained_as_it_is(tmp_path: Path) -> None:
    async with large(tmp_path) as (adapter, put):
        await given_up(adapter)
        await put([EndpointKey("10.9.9.9", 80)])
        told = await adapter.explain(Question(service="web"))

    assert [each.reported for each in told.sightings] == ["10.9.9.9:80"]
