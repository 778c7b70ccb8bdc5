"""Every kind of bootstrap that we write, judged by a real Envoy."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest

from bridge.bootstrap import (
    ApiType,
    BootstrapOptions,
    HttpListener,
    ListenerTls,
    PipeAddress,
    Route,
    SocketAddress,
    TcpListener,
    render,
)
from bridge.cli.bootstrap import Output, write
from bridge.model import Locality
from bridge.resources import ResourceBuilder
from support.backends import backends
from support.builders import appeared, service
from support.certificates import Authority
from support.envoy import EnvoyProcess, validate
from support.ports import free_port
from support.resource_files import ResourceFiles
from support.waiting import eventually
from xds import Snapshot

BRIDGE = SocketAddress("127.0.0.1", 18000)
LISTENER = SocketAddress("0.0.0.0", 10000)

VARIANTS = {
    "nothing but the bridge": BootstrapOptions("edge-1", "edge", (BRIDGE,)),
    "several bridges": BootstrapOptions("edge-1", "edge", (BRIDGE, SocketAddress("::1", 18000))),
    "bridges by host name": BootstrapOptions("edge-1", "edge", (SocketAddress("localhost", 18000), BRIDGE)),
    "bridges by socket and by IP": BootstrapOptions("edge-1", "edge", (PipeAddress("/run/xds.sock"), BRIDGE)),
    "state of the world": BootstrapOptions("edge-1", "edge", (BRIDGE,), api_type=ApiType.GRPC),
    "no aggregated stream": BootstrapOptions("edge-1", "edge", (BRIDGE,), aggregated=False),
    "a locality": BootstrapOptions("edge-1", "edge", (BRIDGE,), locality=Locality("eu", "eu-1a", "rack-7")),
    "an HTTP listener": BootstrapOptions(
        "edge-1",
        "edge",
        (BRIDGE,),
        listeners=(
            HttpListener(
                LISTENER,
                (
                    Route("web"),
                    Route("api", "/api"),
                    Route("shop", authority="shop.example.com"),
                    Route("tenant", authority="*.example.com"),
                ),
            ),
        ),
    ),
    "a gRPC listener": BootstrapOptions(
        "edge-1", "edge", (BRIDGE,), listeners=(HttpListener(LISTENER, (Route("api"),), grpc=True),)
    ),
    "a TCP listener": BootstrapOptions("edge-1", "edge", (BRIDGE,), listeners=(TcpListener(LISTENER, "postgres"),)),
    "listeners on IPv6": BootstrapOptions(
        "edge-1",
        "edge",
        (BRIDGE,),
        listeners=(
            HttpListener(SocketAddress("::", 10000), (Route("web"),)),
            TcpListener(SocketAddress("::", 10001), "db"),
        ),
    ),
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
async def test_envoy_accepts(options: BootstrapOptions, tmp_path: Path) -> None:
    accepted, said = await validate(render(options), tmp_path)

    assert accepted, said
    assert "deprecated" not in said.lower()


WORDS = [
    "on",
    "off",
    "yes",
    "no",
    "y",
    "n",
    "Y",
    "N",
    "true",
    "null",
    "~",
    "1",
    "0x1F",
    "1.5",
    "1e3",
    "a: b",
    "# a",
    "*a",
]


@pytest.mark.parametrize("word", WORDS)
async def test_envoy_accepts_any_word_as_a_name(word: str, tmp_path: Path) -> None:
    listener = HttpListener(LISTENER, (Route(word),))
    options = BootstrapOptions(word, word, (BRIDGE,), locality=Locality(word, word), listeners=(listener,))

    text = await asyncio.to_thread(write, render(options), Output.YAML)
    accepted, said = await validate(text, tmp_path)

    assert accepted, said


async def test_validate_tells_a_bootstrap_that_envoy_refuses(tmp_path: Path) -> None:
    bootstrap = {**render(VARIANTS["an HTTP listener"]), "dynamic_resorces": {}}

    accepted, said = await validate(bootstrap, tmp_path)

    assert not accepted
    assert "dynamic_resorces" in said


async def test_requests_go_by_authority_then_by_longest_prefix(tmp_path: Path) -> None:
    files, port = ResourceFiles(tmp_path), free_port()
    listener = HttpListener(
        SocketAddress("127.0.0.1", port),
        (Route("web"), Route("api", "/api"), Route("shop", authority="shop.example.com")),
    )
    options = BootstrapOptions("edge-1", "edge", (BRIDGE,), listeners=(listener,))
    bootstrap = {**render(options), "dynamic_resources": files.dynamic_resources}
    async with backends("web", "api", "shop") as running:
        services = [service(name, [running.endpoint(name)]) for name in ("web", "api", "shop")]
        files.write(ResourceBuilder({}, []).apply(Snapshot(), appeared(*services)))

        async with EnvoyProcess(bootstrap, tmp_path) as envoy:
            url = f"http://127.0.0.1:{port}"
            answers = [
                (await envoy.get(f"{url}/")).text,
                (await envoy.get(f"{url}/api/v1")).text,
                (await envoy.get(f"{url}/api/v1", host="shop.example.com")).text,
                (await envoy.get(f"{url}/", host="shop.example.com:8443")).text,
            ]

    assert answers == ["web", "api", "shop", "shop"]


async def test_a_listener_proves_who_it_is(tmp_path: Path) -> None:
    files, port, authority = ResourceFiles(tmp_path), free_port(), Authority()
    pair = authority.issue("web.example.com")
    (tmp_path / "tls.crt").write_bytes(pair.certificate)
    (tmp_path / "tls.key").write_bytes(pair.private_key)
    tls = ListenerTls(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    listener = HttpListener(SocketAddress("127.0.0.1", port), (Route("web"),), grpc=True, tls=tls)
    options = BootstrapOptions("edge-1", "edge", (BRIDGE,), listeners=(listener,))
    bootstrap = {**render(options), "dynamic_resources": files.dynamic_resources}
    trust = ssl.create_default_context(cadata=authority.certificate.decode())
    async with backends("web") as running:
        files.write(ResourceBuilder({}, []).apply(Snapshot(), appeared(service("web", [running.endpoint("web")]))))

        async with EnvoyProcess(bootstrap, tmp_path), aiohttp.ClientSession() as client:
            url = f"https://127.0.0.1:{port}/"
            async with client.get(url, ssl=trust, server_hostname="web.example.com") as answer:
                text = await answer.text()

    assert text == "web"


async def test_a_listener_waits_for_its_cluster_without_stopping_envoy(tmp_path: Path) -> None:
    files, port = ResourceFiles(tmp_path), free_port()
    listener = HttpListener(SocketAddress("127.0.0.1", port), (Route("later"),))
    options = BootstrapOptions("edge-1", "edge", (BRIDGE,), listeners=(listener,))
    files.write(Snapshot())

    async with EnvoyProcess({**render(options), "dynamic_resources": files.dynamic_resources}, tmp_path) as envoy:
        answer = await envoy.get(f"http://127.0.0.1:{port}/")

    assert answer.status == 503


async def test_envoy_can_be_frozen_killed_and_started_again(tmp_path: Path) -> None:
    async with EnvoyProcess({}, tmp_path) as envoy:
        envoy.pause()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await envoy.stats("server.")
        envoy.resume()
        assert await envoy.ready()

        await envoy.kill()
        assert not envoy.running

        await envoy.start()
        await eventually(envoy.ready, what="Envoy is ready again")


async def test_envoy_is_gone_after_a_test_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with EnvoyProcess({}, tmp_path) as envoy:
            _ = 1 / 0

    assert not envoy.running


async def test_an_envoy_that_ends_at_once_fails_with_its_log(tmp_path: Path) -> None:
    envoy = EnvoyProcess({"no_such_field": 1}, tmp_path)

    with pytest.raises(AssertionError, match="no_such_field"):
        await envoy.__aenter__()

    assert not envoy.running
