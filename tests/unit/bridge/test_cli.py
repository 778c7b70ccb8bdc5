import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, Node, ScalarNode

from bridge.cli import main
from support.cli import Command
from support.ports import free_port

ENDPOINTS = """services:
  web:
    - {address: 10.0.0.1, port: 80}
    - {address: 10.0.0.2, port: 80, health: unhealthy}
    - {address: nowhere, port: 80}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with one file source that has endpoints."""
    endpoints, path = tmp_path / "endpoints.yaml", tmp_path / "bridge.yaml"
    endpoints.write_text(ENDPOINTS, encoding="utf-8")
    path.write_text(f"sources:\n  - {{name: local, type: file, path: {endpoints}}}\n", encoding="utf-8")
    return path


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


VIEWS = """views:
  - {match: {id: "a*", metadata: {team: pay}}, services: [web]}
  - {match: {san: "spiffe://*"}, services: [web, db], locality_failover: true}
  - {match: {cluster: all}}
"""


@pytest.mark.parametrize(
    ("listen", "peers", "noted"),
    [
        ("127.0.0.1:19000", ["http://10.0.0.6:19000", "http://127.0.0.1:19000"], True),
        ("0.0.0.0:19000", ["http://10.0.0.6:19000"], False),
        ("127.0.0.1:19000", ["http://127.0.0.1:19001", "http://localhost:19002"], False),
    ],
)
def test_peers_that_cannot_ask_back_are_noted(
    command: Command, config: Path, listen: str, peers: list[str], *, noted: bool
) -> None:
    text = f"admin: {json.dumps({'listen': listen, 'peers': peers})}\n"
    config.write_text(config.read_text(encoding="utf-8") + text, encoding="utf-8")

    outcome = command("check", "--config", str(config))

    assert outcome.status == 0
    assert ("note: admin.listen is for this machine alone" in outcome.output) == noted


NO_BOUNDARY = "note: views[0] goes by what an Envoy says of itself"
NOT_REQUIRED = "note: an Envoy that no view matches sees every service"


@pytest.mark.parametrize(
    ("addition", "notes"),
    [
        ("", {NO_BOUNDARY, NOT_REQUIRED}),
        ("views_required: true\n", {NO_BOUNDARY}),
        ("  - {services: [web]}\n", {NO_BOUNDARY}),
    ],
)
def test_check_shows_views_and_what_they_do_not_keep(
    command: Command, config: Path, addition: str, notes: set[str]
) -> None:
    config.write_text(config.read_text(encoding="utf-8") + VIEWS + addition, encoding="utf-8")

    outcome = command("check", "--config", str(config))

    rows = [" ".join(line.split()) for line in outcome.output.splitlines()]
    assert outcome.status == 0
    assert "id a*, metadata team pay web no" in rows
    assert "san spiffe://* web, db yes" in rows
    assert {note for note in (NO_BOUNDARY, NOT_REQUIRED) if note in outcome.output} == notes
    assert "note: views[1]" not in outcome.output


def test_check_live_shows_what_was_found_and_forgives_what_is_set_aside(command: Command, config: Path) -> None:
    outcome = command("check", "--live", "--config", str(config))

    assert outcome.status == 0
    rows = [line.split() for line in outcome.output.splitlines()]
    assert ["1", "1", "0", "1", "0", "0", "1"] in rows  # services, then healthy to unknown, then set aside
    assert "source local (file) is fine" in outcome.output
    assert "'nowhere' is not an IP address" in outcome.output


def test_check_live_shows_services_whose_names_are_refused(command: Command, config: Path) -> None:
    text = f'{ENDPOINTS}  "a\\nb": []\n  {"x" * 300}: []\n'
    (config.parent / "endpoints.yaml").write_text(text, encoding="utf-8")

    outcome = command("check", "--live", "--config", str(config))

    assert outcome.status == 0
    assert "holds the control character" in outcome.output
    assert "does not have 1 to 255 characters" in outcome.output
    assert "nowhere:80" in outcome.output


def test_check_tells_what_shares_need_and_live_which_rules_are_for_nobody(command: Command, config: Path) -> None:
    rules = (
        "services:\n  - {match: 'we*', merge: {policy: weighted, weights: {local: 1}}, cluster: {lb_policy: RANDOM}}\n"
        "  - {match: wbe, merge: {policy: first}}\n"
    )
    config.write_text(config.read_text(encoding="utf-8") + rules, encoding="utf-8")

    outcome = command("check", "--live", "--config", str(config))

    assert outcome.status == 0
    assert ["we*", "weighted", "lb_policy"] in [line.split() for line in outcome.output.splitlines()]
    assert "note: services[0].cluster: RANDOM does not keep to shares" in outcome.output
    assert (
        "note: services[1].match: 'wbe' counts for no service with an endpoint: no service has such a name"
        in outcome.output
    )
    assert "'we*' counts for" not in outcome.output


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


def test_check_live_ends_while_a_call_hangs(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        path.write_text(
            f"sources:\n  - {{name: aws, type: ec2, region: eu-west-1, endpoint_url: '{url}', timeout: 60s}}\n",
            encoding="utf-8",
        )
        done = subprocess.run(
            [sys.executable, "-m", "bridge", "check", "--live", "--timeout", "3s", "--config", str(path)],
            env={**os.environ, "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret"},
            capture_output=True,
            text=True,
            check=False,
            timeout=40,
        )

    assert done.returncode == 1
    assert "not read completely within" in done.stdout


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


def test_bootstrap_can_do_without_an_aggregated_stream(command: Command) -> None:
    outcome = command("bootstrap", "--node-id", "a", "--cluster", "b", "--no-ads", "-o", "json")

    dynamic = json.loads(outcome.output)["dynamic_resources"]
    assert list(dynamic) == ["cds_config"]
    assert dynamic["cds_config"]["api_config_source"]["api_type"] == "DELTA_GRPC"


def test_bootstrap_takes_a_bridge_by_its_socket(command: Command) -> None:
    arguments = ["bootstrap", "--node-id", "a", "--cluster", "b", "--bridge"]

    outcome, relative = command(*arguments, "unix:/run/xds.sock"), command(*arguments, "unix:xds.sock")

    assert "/run/xds.sock" in outcome.output
    assert (outcome.status, relative.status) == (0, 2)


def test_bootstrap_writes_listeners_for_grpc_and_tls(command: Command) -> None:
    outcome = command(
        *("bootstrap", "--node-id", "a", "--cluster", "b", "--route", "/=web", "-o", "json"),
        *("--listen", "0.0.0.0:8443", "--grpc", "0.0.0.0:9443"),
        *("--listen-certificate", "/etc/envoy/tls.crt", "--listen-key", "/etc/envoy/tls.key"),
    )

    listeners = json.loads(outcome.output)["static_resources"]["listeners"]
    assert [listener["name"] for listener in listeners] == ["http_0.0.0.0_8443", "grpc_0.0.0.0_9443"]
    chains = [listener["filter_chains"][0] for listener in listeners]
    assert all("/etc/envoy/tls.key" in json.dumps(chain["transport_socket"]) for chain in chains)
    routes = [chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"][0] for chain in chains]
    assert [route["route"] for route in routes] == [{"cluster": "web"}, {"cluster": "web", "timeout": "0s"}]


def test_bootstrap_says_where_there_is_no_metadata(command: Command) -> None:
    outcome = command("bootstrap", "--cluster", "b", "--from-ecs-metadata")

    assert outcome.status == 3
    assert "this is no container of ECS" in outcome.error


def test_bootstrap_writes_the_same_as_json(command: Command) -> None:
    arguments = ["bootstrap", "--node-id", "a", "--cluster", "b", "--route", "/=web"]

    as_yaml, as_json = command(*arguments), command(*arguments, "-o", "json")

    assert json.loads(as_json.output) == YAML(typ="safe", pure=True).load(as_yaml.output)


@pytest.mark.parametrize(
    "name", ["on", "off", "yes", "no", "y", "n", "~", "null", "0x1F", "1_0", "1:30", "a: b", "<<", "=", "\U0001f980"]
)
def test_bootstrap_puts_every_text_in_quotes(command: Command, name: str) -> None:
    outcome = command("bootstrap", "--node-id", name, "--cluster", name, "--zone", name)

    content = YAML(typ="safe", pure=True).load(outcome.output)
    assert content["node"] == {"id": name, "cluster": name, "locality": {"zone": name}}
    assert all(node.style == '"' for node in _texts(YAML(typ="safe", pure=True).compose(outcome.output)))


def _texts(node: Node, *, key: bool = False) -> Iterator[ScalarNode]:
    """The values of a document that are text."""
    if isinstance(node, ScalarNode) and not key and str(node.tag).endswith(":str"):
        yield node
    for child in node.value if isinstance(node, CollectionNode) else ():
        for part in child if isinstance(child, tuple) else (child,):
            yield from _texts(part, key=isinstance(child, tuple) and part is child[0])


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
        (["--grpc", "127.0.0.1:1"], "a listener for gRPC needs a --route"),
        (["--route", "/=a", "--listen-key", "/k"], "--listen-certificate and --listen-key belong together"),
        (["--route", "/=a", "--listen-key", "k", "--listen-certificate", "/c"], "the path 'k' of a listener's TLS"),
        (["--node-id", ""], "give the Envoy a --node-id"),
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


def test_a_bug_in_the_core_is_logged_as_configured_and_exits_with_70(config: Path) -> None:
    config.write_text(config.read_text(encoding="utf-8") + "log: {format: json}\n", encoding="utf-8")
    code = """
import sys
import bridge.app

async def serve(config, reread):
    raise ExceptionGroup("unhandled", [ZeroDivisionError("a bug")])

bridge.app.serve = serve
from bridge.cli import main
main(sys.argv[1:])
"""

    command = [sys.executable, "-c", code, "run", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    (record,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 70
    assert (record["event"], record["level"]) == ("bridge.crashed", "error")
    assert "ZeroDivisionError: a bug" in record["exception"]


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
