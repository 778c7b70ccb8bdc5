import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.adapter import AdapterConfig, AdapterContext, Duration
from bridge.config import Address, Config, Expose, LogFormat, LogLevel, SourceKeys, load
from bridge.errors import ConfigError
from bridge.merge import Policy
from bridge.plugins import RESERVED

MINIMAL = "sources:\n  - {name: local, type: disk, path: /x}\n"


class Selection(AdapterConfig):
    include: tuple[str, ...] = ("*",)


class DiskConfig(AdapterConfig):
    path: str
    interval: Duration = 90.0
    selection: Selection = Selection()
    auth: bool | Selection = False


class DiskAdapter:
    Config = DiskConfig

    def __init__(self, config: DiskConfig) -> None:
        self.config = config

    async def run(self, context: AdapterContext) -> None:
        raise NotImplementedError


Read = Callable[..., Config]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.yaml"


@pytest.fixture
def read(path: Path) -> Read:
    def from_text(text: str, environ: Mapping[str, str] | None = None) -> Config:
        path.write_text(text, encoding="utf-8")
        return load(path, environ or {}, {"disk": DiskAdapter})

    return from_text


@pytest.fixture
def refused(read: Read, path: Path) -> Callable[..., list[str]]:
    """The lines of the error that a text is refused with, without the path of the file."""

    def lines(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text, environ)
        return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]

    return lines


Refused = Callable[..., list[str]]


def test_one_source_is_enough_and_the_rest_has_defaults(read: Read) -> None:
    config = read(MINIMAL)

    assert config.xds.listen == Address("127.0.0.1", 18000)
    assert config.admin.listen == Address("127.0.0.1", 19000)
    assert config.admin.expose is Expose.PROBES
    assert (config.xds.debounce.quiet, config.xds.debounce.max) == (0.025, 0.25)
    assert config.startup_grace == 30.0
    assert (config.log.format, config.log.level) == (LogFormat.AUTO, LogLevel.INFO)
    assert (config.sources[0].required, config.sources[0].allow_empty) == (True, False)
    assert (config.cluster_defaults, config.services) == ({}, ())


def test_everything_can_be_said(read: Read) -> None:
    config = read("""
xds: {listen: "[::]:18000", insecure: true, debounce: {quiet: 10ms, max: 1s}}
admin: {listen: "0.0.0.0:9000", expose: all}
startup_grace: 1m
log: {format: json, level: debug}
sources:
  - {name: one, type: disk, required: false, allow_empty: true, path: /x, interval: 250ms}
cluster_defaults: {connect_timeout: 1s}
services:
  - {match: "api-*", merge: {policy: union}, cluster: {lb_policy: ROUND_ROBIN}}
""")

    assert config.xds.listen == Address("::", 18000)
    assert config.admin.expose is Expose.ALL
    assert config.startup_grace == 60.0
    assert (config.log.format, config.log.level) == (LogFormat.JSON, LogLevel.DEBUG)
    assert config.sources[0].options.model_dump()["interval"] == 0.25
    assert config.services[0].merge.policy is Policy.UNION
    assert config.services[0].cluster == {"lb_policy": "ROUND_ROBIN"}


def test_the_adapter_is_built_from_its_own_keys(read: Read) -> None:
    adapter = read(MINIMAL).sources[0].build()

    assert isinstance(adapter, DiskAdapter)
    assert adapter.config.path == "/x"


def test_the_configuration_cannot_be_changed(read: Read) -> None:
    config = read(MINIMAL)

    with pytest.raises(ValueError, match="frozen"):
        config.startup_grace = 1.0


def test_all_mistakes_are_told_at_once_and_in_the_order_of_the_file(refused: Refused) -> None:
    lines = refused("""xds:
  listn: 127.0.0.1:1
  listen: 0.0.0.0:1
  debounce: {quiet: 30, max: 3x}
admin:
log: {level: inf, format: [json]}
sources:
  - {name: a b, type: disk, intervall: 3s}
  - name: a
    type: dsk
    path: /x
  - name: a
    type: disk
    path: ${MISSING}/x
    selection:
      exclude: [b]
      include: 3
      include: 4
  - 7
services:
  - {cluster: []}
soruces: []
""")

    assert lines == [
        "2:3: xds.listn: unknown key; did you mean 'listen'?",
        "3:11: xds.listen: 0.0.0.0:1 is reachable from other machines in plain text; add `tls` or `insecure: true`",
        "4:21: xds.debounce.quiet: a duration is a number with a unit, such as 250ms, 30s, 5m or 1h",
        "4:30: xds.debounce.max: '3x' is not a duration; write a number and a unit, such as 250ms, 30s, 5m or 1h",
        "5:1: admin: expected a mapping, not nothing",
        "6:14: log.level: 'inf' is not 'debug', 'info', 'warning' or 'error'; did you mean 'info'?",
        "6:27: log.format: expected text, not a list",
        "8:5: sources[0].path: is missing",
        "8:12: sources[0].name: 'a b' is no name for a source; use 1 to 63 letters, digits, '-', '_' and '.'",
        "8:29: sources[0].intervall: unknown key; did you mean 'interval'?",
        "10:11: sources[1].type: 'dsk' is no known type of source; did you mean 'disk'?",
        "12:11: sources[2].name: 'a' is taken by sources[1].name",
        "14:11: sources[2].path: the environment variable MISSING is not set",
        "16:7: sources[2].selection.exclude: unknown key; did you mean 'include'?",
        "17:16: sources[2].selection.include: expected a list, not 3",
        "18:7: sources[2].selection.include: the key is given twice, first in line 17",
        "19:5: sources[3]: expected a mapping with at least `name` and `type`",
        "21:5: services[0].match: is missing",
        "21:15: services[0].cluster: expected a mapping, not a list",
        "22:1: soruces: unknown key; did you mean 'sources'?",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", " the configuration is empty; it needs at least `sources`"),
        ("# nothing\n", " the configuration is empty; it needs at least `sources`"),
        ("null\n", " the configuration is empty; it needs at least `sources`"),
        ("- a\n", "1:1: expected keys such as `sources` at the top of the file"),
        ("text\n", "1:1: expected keys such as `sources` at the top of the file"),
        ("log: {}\n", "1:1: sources: expected a list with at least one source"),
        ("sources: []\n", "1:10: sources: expected a list with at least one source"),
        ("sources: {a: b}\n", "1:10: sources: expected a list with at least one source"),
        ("sources:\n", "1:1: sources: expected a list with at least one source"),
        ("a: [\n", "2:1: not YAML: while parsing a flow node, expected the node content, but found '<stream end>'"),
        ("a: b: c\n", "1:5: not YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2\n", "2:1: there is a second document; one file is one document"),
        ("a: *b\n", "1:4: nothing above is called 'b'"),
        ("a: b\x01c\n", "1:5: character '\\x01' is not allowed"),
        ("[" * 2000, "1:65: nested deeper than 64 levels"),
    ],
)
def test_what_is_no_configuration_at_all_is_one_line(refused: Refused, text: str, line: str) -> None:
    lines = refused(text)

    assert lines == [line]


@pytest.mark.parametrize(
    ("addition", "line"),
    [
        ("xds: {insecure: maybe}", "3:17: xds.insecure: expected true or false, not 'maybe'"),
        ("xds: {listen: 127.0.0.1}", "3:15: xds.listen: '127.0.0.1' is not host:port; write it as 127.0.0.1:18000"),
        ("xds: {listen: 18000}", "3:15: xds.listen: expected host:port, such as 127.0.0.1:18000"),
        ("xds: {debounce: {quiet: 1s}}", "3:17: xds.debounce: max must not be shorter than quiet"),
        (
            "xds: {listen: 0.0.0.0:19000, insecure: true}",
            "3:15: xds.listen: xds and admin cannot both listen on port 190",
        ),
        ("xds: {listen: 127.0.0.1:19000}", "3:15: xds.listen: xds and admin cannot both listen on port 19000"),
        ("admin: {listen: 127.0.0.1:18000}", "3:17: admin.listen: xds and admin cannot both listen on port 18000"),
        ("admin: {expose: everything}", "3:17: admin.expose: 'everything' is not 'probes' or 'all'"),
        ("services: [{match: ''}]", "3:13: services[0].match: '' should have at least 1 character"),
        ("services: [{match: a}, {match: a}]", "3:32: services[1].match: 'a' is taken by services[0].match"),
        ("services: {match: a}", "3:11: services: expected a list, not a mapping"),
        (
            "services: [{match: a, merge: {policy: unoin}}]",
            "3:39: services[0].merge.policy: 'unoin' is not 'union', 'failover', 'weighted' or 'first'; did you mean",
        ),
        ("cluster_defaults: 7", "3:19: cluster_defaults: expected a mapping, not 7"),
        ("cluster_defaults: !t {}", "3:19: cluster_defaults: the tag !t is not supported"),
        ("cluster_defaults: {a: !t b}", "3:23: cluster_defaults.a: the tag !t is not supported"),
        ("cluster_defaults: {a: &x [*x]}", "3:27: cluster_defaults.a[0]: an alias must not stand within what it"),
        ("cluster_defaults: {? [a] : b}", "3:22: cluster_defaults: a key must be text"),
        ("cluster_defaults: {<<: {a: b}}", "3:20: cluster_defaults: merge keys (<<) are no part of YAML 1.2"),
        ("cluster_defaults: {lb_polcy: RANDOM}", "3:20: cluster_defaults.lb_polcy: "),
        ("services: [{match: a, cluster: {lb_policy: FAIREST}}]", "3:33: services[0].cluster.lb_policy: "),
    ],
)
def test_a_mistake_is_named_with_its_place(refused: Refused, addition: str, line: str) -> None:
    lines = refused(MINIMAL + addition)

    assert len(lines) == 1
    assert lines[0].startswith(line)


@pytest.mark.parametrize("written", ["99999999999h", "9" * 400 + "s", "1s\\n", "1.s", "-1s", "١s"])
def test_no_timer_is_longer_than_ten_years_or_written_in_another_way(refused: Refused, written: str) -> None:
    lines = refused(f'sources:\n  - {{name: a, type: disk, path: /x, interval: "{written}"}}\n')

    assert len(lines) == 1
    assert lines[0].startswith("2:47: sources[0].interval: ")


def test_one_port_of_two_addresses_is_two_places(read: Read) -> None:
    config = read(MINIMAL + "xds: {listen: 127.0.0.2:18000}\nadmin: {listen: 127.0.0.1:18000}\n")

    assert config.xds.listen.port == config.admin.listen.port


def test_numbers_too_large_for_envoy_are_refused_with_their_place(refused: Refused) -> None:
    for number in ("9" * 399, ".inf", ".nan"):
        lines = refused(MINIMAL + f"cluster_defaults: {{metadata: {{filter_metadata: {{a: {{b: {number}}}}}}}}}\n")

        assert lines[0].startswith("3:53: cluster_defaults.metadata.filter_metadata.a.b: ")


def test_no_configuration_is_too_deep_for_us_that_is_not_refused_as_that(refused: Refused, read: Read) -> None:
    def nested(depth: int) -> str:
        return MINIMAL + "cluster_defaults: {metadata: {filter_metadata: " + "{a: " * depth + "{}" + "}" * (depth + 2)

    read(nested(60))
    lines = refused(nested(150))

    assert [line.partition(": ")[2] for line in lines] == ["nested deeper than 64 levels"]


def test_a_key_cannot_break_the_line_that_names_it(refused: Refused) -> None:
    lines = refused(MINIMAL + '"a\\nb\\e[2J": 1\n')

    assert len(lines) == 1
    assert lines[0].startswith(r"3:1: 'a\nb\x1b[2J': unknown key")


def test_no_message_speaks_of_pydantic_or_of_classes(refused: Refused) -> None:
    text = MINIMAL + "xds: 3\nadmin: []\nlog: {level: 3}\nstartup_grace: []\nservices: [3]\ncluster_defaults: x\n"

    message = "\n".join(refused(text))

    assert not re.search(r"pydantic|https?:|Config|instance|dictionary|input", message)


def test_a_union_is_named_by_what_stands_in_the_file(refused: Refused) -> None:
    lines = refused("sources:\n  - {name: a, type: disk, path: /x, auth: {inclde: [a]}}\n")

    assert "2:44: sources[0].auth.inclde: unknown key; did you mean 'include'?" in lines


def test_an_unknown_key_of_a_source_may_be_meant_for_the_bridge(refused: Refused) -> None:
    lines = refused("sources:\n  - {name: a, type: disk, path: /x, requred: true}\n")

    assert lines == ["2:37: sources[0].requred: unknown key; did you mean 'required'?"]


def test_aliases_that_multiply_are_refused(refused: Refused) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 9))

    lines = refused(f"l0: &l0 [a]\n{levels}")

    assert lines == ["1:5: aliases stand for more than 200000 values"]


def test_a_file_with_a_byte_order_mark_is_read(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())

    config = load(path, {}, {"disk": DiskAdapter})

    assert config.sources[0].name == "local"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"a: \xe9\n")

    def message(name: str) -> str:
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / name, {}, {})
        return str(caught.value)

    assert message("absent") == f"cannot read the configuration {tmp_path}/absent: No such file or directory"
    assert message(".") == f"cannot read the configuration {tmp_path}: Is a directory"
    assert message("latin") == f"{tmp_path}/latin: byte 3 is not UTF-8"
    assert "\n" not in message("a\0b")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${HOME_DIR}/x", "/srv/x"),
        ("a${EMPTY}b", "ab"),
        ("$${HOME_DIR}", "${HOME_DIR}"),
        ("$HOME_DIR $", "$HOME_DIR $"),
        ("${HOME_DIR}${HOME_DIR}", "/srv/srv"),
        ("${NESTED}", "${HOME_DIR}"),
    ],
)
def test_the_environment_is_expanded_in_texts(read: Read, written: str, value: str) -> None:
    environ = {"HOME_DIR": "/srv", "EMPTY": "", "NESTED": "${HOME_DIR}"}

    config = read(f"sources:\n  - {{name: local, type: disk, path: '{written}'}}\n", environ)

    assert config.sources[0].options == DiskConfig(path=value)


@pytest.mark.parametrize("written", ["${}", "${A B}", "${unclosed", "${1A}", "${A:-b}"])
def test_a_reference_that_names_no_variable_is_refused(refused: Refused, written: str) -> None:
    lines = refused(f"sources:\n  - name: a\n    type: disk\n    path: '{written}'\n", {"A": "a"})

    assert len(lines) == 1
    assert lines[0].startswith("4:11: sources[0].path: ")
    assert "names no environment variable" in lines[0]


def test_text_from_the_environment_may_be_a_switch(read: Read) -> None:
    config = read(MINIMAL + "xds: {insecure: '${INSECURE}'}\n", {"INSECURE": "true"})

    assert config.xds.insecure


def test_the_keys_of_every_source_are_reserved() -> None:
    assert set(SourceKeys.model_fields) == RESERVED


def test_an_adapter_that_cannot_be_used_is_named_where_it_is_asked_for(path: Path) -> None:
    class Broken(dict[str, type[DiskAdapter]]):
        def __getitem__(self, name: str) -> type[DiskAdapter]:
            raise ConfigError(f"{name} cannot be imported")

    path.write_text(MINIMAL, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load(path, {}, Broken(disk=DiskAdapter))

    assert str(caught.value) == f"{path}:2:25: sources[0].type: disk cannot be imported"


KEYS = (*Config.model_fields, *SourceKeys.model_fields, *DiskConfig.model_fields, "listen", "match", "cluster")
WORDS = st.sampled_from([*KEYS, "disk", "127.0.0.1:1", "30s", "${A}"])
LEAVES = st.one_of(WORDS, st.text(max_size=5), st.integers(), st.floats(), st.booleans(), st.none())
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=20,
)
PUNCTUATION = st.sampled_from(
    [*":-[]{},&*!|>'\"%@`#?\n\t ~<", "\n  ", "- ", ": ", "<<: ", "!!int ", "&a ", "*a", "---\n"]
)


@pytest.mark.parametrize("reading", ["trees", "noise"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_the_text_a_refusal_is_a_config_error(path: Path, reading: str, data: st.DataObject) -> None:
    if reading == "trees":
        text = repr(data.draw(TREES)).replace("None", "null")
    else:
        text = "".join(data.draw(st.lists(st.one_of(WORDS, PUNCTUATION, st.text(max_size=3)), max_size=30)))
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))

    try:
        config = load(path, {"A": "a"}, {"disk": DiskAdapter})
    except ConfigError as error:
        assert str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert config.sources
