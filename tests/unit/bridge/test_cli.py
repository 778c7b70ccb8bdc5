import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bridge.adapter import Adapter, AdapterConfig, AdapterContext
from bridge.cli import live, main
from bridge.config import SourceConfig
from bridge.errors import ConfigError, SourceError
from bridge.model import Endpoint, Entry, Health, InstanceId, Scope, ServiceName, SetAside, SourceName
from support.ports import free_port

ENDPOINTS = """services:
  web:
    - {address: 10.0.0.1, port: 80}
    - {address: 10.0.0.2, port: 80, health: unhealthy}
    - {address: nowhere, port: 80}
"""


@dataclass
class Outcome:
    status: int
    output: str
    error: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run a command in this process; logging is put back afterwards."""
    monkeypatch.setenv("COLUMNS", "200")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        captured = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), captured.out, captured.err)

    yield run
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with one file source that has endpoints."""
    endpoints, path = tmp_path / "endpoints.yaml", tmp_path / "bridge.yaml"
    endpoints.write_text(ENDPOINTS, encoding="utf-8")
    path.write_text(f"sources:\n  - {{name: local, type: file, path: {endpoints}}}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("verb", ["run", "demo", "check", "schema", "bootstrap"])
def test_every_help_shows_an_example(command: Command, verb: str) -> None:
    outcome = command(verb, "--help")

    assert outcome.status == 0
    assert f"Example: xds-bridge {verb}" in outcome.output


def test_the_command_is_installed() -> None:
    (script,) = entry_points(group="console_scripts", name="xds-bridge")

    assert script.load() is main


@pytest.mark.parametrize("arguments", [["chek"], ["check", "--lvie"], ["check", "--timeout", "30"], ["run", "extra"]])
def test_wrong_usage_exits_with_2(command: Command, config: Path, arguments: list[str]) -> None:
    outcome = command(*arguments, *(["--config", str(config)] if "--timeout" in arguments else []))

    assert outcome.status == 2
    assert outcome.output == ""


@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_wrong_configuration_exits_with_78_and_a_line_per_mistake(command: Command, config: Path, verb: str) -> None:
    config.write_text("sources:\n  - {name: a, type: fil, pth: 1}\nxdss: 1\n", encoding="utf-8")

    outcome = command(verb, "--config", str(config))

    assert (outcome.status, outcome.output) == (78, "")
    assert outcome.error.splitlines() == [
        f"{config}:2:21: sources[0].type: 'fil' is no known type of source; did you mean 'file'?",
        f"{config}:3:1: xdss: unknown key; did you mean 'xds'?",
    ]


def test_a_missing_configuration_is_one_line(command: Command, tmp_path: Path) -> None:
    outcome = command("run", "--config", str(tmp_path / "none"))

    assert outcome.status == 78
    assert outcome.error == f"cannot read the configuration {tmp_path}/none: No such file or directory\n"


def test_the_configuration_is_found_by_the_environment(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDS_BRIDGE_CONFIG", str(config))

    outcome = command("check")

    assert outcome.status == 0
    assert outcome.output.startswith(f"{config} is fine\n")


def test_check_prints_what_is_configured(command: Command, config: Path) -> None:
    config.write_text(config.read_text(encoding="utf-8") + "services: [{match: 'api-*'}]\n", encoding="utf-8")

    outcome = command("check", "--config", str(config))

    rows = [line.split() for line in outcome.output.splitlines()]
    assert ["local", "file", "yes", "no"] in rows
    assert ["api-*", "union"] in rows
    assert "\x1b" not in outcome.output


def test_check_live_shows_what_was_found_and_forgives_what_is_set_aside(command: Command, config: Path) -> None:
    outcome = command("check", "--live", "--config", str(config))

    assert outcome.status == 0
    rows = [line.split() for line in outcome.output.splitlines()]
    assert ["1", "1", "0", "1", "0", "0", "1"] in rows  # services, then healthy to unknown, then set aside
    assert "source local (file) is fine" in outcome.output
    assert "'nowhere' is not an IP address" in outcome.output


def test_check_live_exits_with_1_when_a_source_cannot_be_read(command: Command, config: Path) -> None:
    (config.parent / "endpoints.yaml").unlink()

    outcome = command("check", "--live", "--config", str(config))

    assert outcome.status == 1
    assert "source local (file) is not well" in outcome.output
    assert "No such file or directory" in outcome.output


def test_check_live_tells_of_a_source_without_endpoints(command: Command, config: Path) -> None:
    (config.parent / "endpoints.yaml").write_text("services: {}\n", encoding="utf-8")

    outcome = command("check", "--live", "--config", str(config))

    assert outcome.status == 1
    assert "no endpoint found" in outcome.output


def test_bootstrap_writes_what_envoy_is_to_start_with(command: Command) -> None:
    outcome = command(
        *("bootstrap", "--node-id", "web-1", "--cluster", "web", "--bridge", "10.0.0.5:18000"),
        *("--bridge", "[fd00::5]:18000", "--route", "/api=api", "--route", "shop.example.com/=shop"),
        *("--tcp", "127.0.0.1:6379=redis", "--zone", "a", "--sotw"),
    )

    content = YAML(typ="safe", pure=True).load(outcome.output)
    text = json.dumps(content)
    assert outcome.status == 0
    assert content["node"] == {"id": "web-1", "cluster": "web", "locality": {"zone": "a"}}
    assert content["dynamic_resources"]["ads_config"]["api_type"] == "GRPC"
    assert [listener["address"]["socket_address"]["port_value"] for listener in _listeners(content)] == [10000, 6379]
    assert '"validate_clusters": false' in text
    assert '"fd00::5"' in text
    assert '"domains": ["shop.example.com"]' in text


def test_bootstrap_writes_the_same_as_json(command: Command) -> None:
    arguments = ["bootstrap", "--node-id", "a", "--cluster", "b", "--route", "/=web"]

    as_yaml, as_json = command(*arguments), command(*arguments, "-o", "json")

    assert json.loads(as_json.output) == YAML(typ="safe", pure=True).load(as_yaml.output)


def _listeners(
    content: Mapping[str, Mapping[str, list[dict[str, dict[str, dict[str, int]]]]]],
) -> list[dict[str, dict[str, dict[str, int]]]]:
    return content["static_resources"]["listeners"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--bridge", "10.0.0.5"], "'10.0.0.5' is not host:port"),
        (["--bridge", "10.0.0.5:0"], "port 0"),
        (["--route", "/api"], "'/api' is not [HOST]/PREFIX=CLUSTER"),
        (["--route", "/api="], "'/api=' is not [HOST]/PREFIX=CLUSTER"),
        (["--tcp", "127.0.0.1=a"], "'127.0.0.1' is not host:port"),
        (["--route", "/=a", "--listen", "localhost:1"], "a listener listens on an IP address"),
    ],
)
def test_bootstrap_refuses_what_envoy_could_not_use(command: Command, arguments: list[str], reason: str) -> None:
    outcome = command("bootstrap", "--node-id", "a", "--cluster", "b", *arguments)

    assert outcome.status == 2
    assert reason in " ".join(outcome.error.replace("│", " ").split())


def test_run_exits_with_1_when_a_port_is_in_use(config: Path) -> None:
    import socket  # noqa: PLC0415 (here alone)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = f"xds: {{listen: 127.0.0.1:{port}}}\nadmin: {{listen: 127.0.0.1:{free_port()}}}\nlog: {{level: error}}\n"
        config.write_text(config.read_text(encoding="utf-8") + text, encoding="utf-8")

        done = _process("run", "--config", str(config))

    assert done.returncode == 1
    assert str(port) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_is_a_module_too() -> None:
    done = _process("schema")

    assert done.returncode == 0
    assert json.loads(done.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_help_waits_for_no_heavy_import() -> None:
    code = "import sys, bridge.cli; print(*{'grpc', 'aiohttp', 'envoy_data_plane', 'apscheduler'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "\n"


def _process(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bridge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


# What `--live` makes of adapters that behave in every way they may.

Script = Callable[[AdapterContext], Awaitable[None]]
WEB = ServiceName("web")


@dataclass
class Scripted:
    """An adapter that does what a test says."""

    script: Script

    async def run(self, context: AdapterContext) -> None:
        await self.script(context)


def source(name: str = "a", *, allow_empty: bool = False) -> SourceConfig:
    return SourceConfig(
        name=SourceName(name), type="scripted", allow_empty=allow_empty, adapter=Unbuilt, options=AdapterConfig()
    )


class Unbuilt:
    Config = AdapterConfig

    def __init__(self, config: AdapterConfig) -> None:
        raise ConfigError("cannot read the certificate")

    async def run(self, context: AdapterContext) -> None:
        raise NotImplementedError


async def read(script: Script, *, timeout: float = 30.0, allow_empty: bool = False) -> live.Reading:
    (reading,) = await live.read_once([source(allow_empty=allow_empty)], [Scripted(script)], timeout)
    return reading


def put(context: AdapterContext, *entries: Entry) -> None:
    context.sink.replace(Scope("all"), {WEB: frozenset(entries)})


async def test_a_reading_ends_with_the_first_full_pass() -> None:
    aside = SetAside(InstanceId("i"), "nowhere:80", "no IP")

    async def script(context: AdapterContext) -> None:
        async for _ in context.ticks(0.001):
            put(context, Endpoint("10.0.0.1", 80, Health.DRAINING), aside)
            context.requested("list", "200", 0.1)
            context.succeeded()
            context.requested("watch", "cancelled", 0.1)

    reading = await read(script)

    assert reading.findings == ()
    assert reading.statistics.endpoints[Health.DRAINING] == 1
    assert [(service, each.entry) for service, each in reading.set_aside] == [("web", aside)]
    assert reading.requests == {("list", "200"): 1}


async def test_a_reading_ends_with_the_first_failure() -> None:
    async def script(context: AdapterContext) -> None:
        context.requested("list", "403", 0.1)
        raise SourceError("cannot list services (403)")

    reading = await read(script)

    assert reading.findings == ("cannot list services (403)",)
    assert reading.requests["list", "403"] == 1


async def test_one_failed_part_is_a_finding_and_the_others_are_still_read() -> None:
    async def failing() -> None:
        raise SourceError('cannot read service "api" (500)')

    async def script(context: AdapterContext) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(context.supervise('service "api"', failing))
            put(context, Endpoint("10.0.0.1", 80))
            context.succeeded('service "web"')

    reading = await read(script)

    assert reading.findings == ('cannot read service "api" (500)',)
    assert not reading.complete
    assert reading.statistics.endpoints[Health.HEALTHY] == 1


async def test_a_source_that_says_nothing_is_a_finding_when_the_time_is_over() -> None:
    async def script(context: AdapterContext) -> None:
        await asyncio.Event().wait()

    reading = await read(script, timeout=0.05)

    assert reading.findings[0].startswith("not read completely within 0.")


async def test_a_bug_in_an_adapter_is_a_finding() -> None:
    async def script(context: AdapterContext) -> None:
        raise ZeroDivisionError

    reading = await read(script)

    assert reading.findings == ("a bug in the adapter",)


@pytest.mark.parametrize("allow_empty", [False, True])
async def test_finding_nothing_is_fine_where_it_is_allowed(*, allow_empty: bool) -> None:
    async def script(context: AdapterContext) -> None:
        put(context)
        context.succeeded()
        await asyncio.Event().wait()

    reading = await read(script, allow_empty=allow_empty)

    assert (reading.findings == ()) is allow_empty


async def test_sources_are_read_side_by_side() -> None:
    met = asyncio.Barrier(2)

    async def script(context: AdapterContext) -> None:
        await met.wait()
        put(context, Endpoint("10.0.0.1", 80))
        context.succeeded()
        await asyncio.Event().wait()

    adapters: list[Adapter] = [Scripted(script), Scripted(script)]
    readings = await live.read_once([source("a"), source("b")], adapters, 30.0)

    assert [(reading.source.name, reading.findings) for reading in readings] == [("a", ()), ("b", ())]


def test_adapters_that_cannot_be_built_are_named_together() -> None:
    with pytest.raises(ConfigError) as caught:
        live.build([source("a"), source("b")])

    assert str(caught.value).splitlines() == [
        'source "a": cannot read the certificate',
        'source "b": cannot read the certificate',
    ]
