"""An Envoy on the bridge's own machine: over the unix socket, on which its status can be asked as well."""

import json
from pathlib import Path

import pytest
from envoy_data_plane.envoy.service.status.v3 import ClientConfig, ClientStatusResponse, ConfigStatus

from bridge.bootstrap import ApiType, BootstrapOptions, HttpListener, PipeAddress, Route, SocketAddress, render
from support.backends import backends
from support.bridge import BridgeProcess
from support.endpoints_file import EndpointsFile
from support.envoy import envoy
from support.ports import free_port
from support.transports import without_retries
from support.unary import call
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT

STATUS = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus"


def bootstrap(socket: Path, port: int, api_type: ApiType) -> dict[str, object]:
    listener = HttpListener(SocketAddress("127.0.0.1", port), (Route("web"),))
    options = BootstrapOptions("edge-1", "edge", (PipeAddress(str(socket)),), api_type=api_type, listeners=(listener,))
    return without_retries(render(options))


async def clients(socket: Path) -> list[ClientConfig]:
    return ClientStatusResponse.parse(await call(f"unix:{socket}", STATUS, b"")).config


@pytest.mark.parametrize("api_type", [ApiType.GRPC, ApiType.DELTA_GRPC])
async def test_traffic_follows_the_socket(tmp_path: Path, api_type: ApiType) -> None:
    socket, port = tmp_path / "xds.sock", free_port()
    endpoints = EndpointsFile(tmp_path / "endpoints.json")
    xds = {"listen": f"127.0.0.1:{free_port()}", "socket": str(socket)}
    async with backends("one", "two") as running:
        endpoints.set("web", [running.addresses["one"]])
        async with (
            BridgeProcess(tmp_path, [endpoints.source()], xds=xds) as bridge,
            envoy(bootstrap(socket, port, api_type), tmp_path) as process,
        ):

            async def answered_by(name: str) -> bool:
                return (await process.get(f"http://127.0.0.1:{port}/")).text == name

            async def synced() -> bool:
                (client,) = await clients(socket)
                progress = {each.type_url: each.config_status for each in client.generic_xds_configs}
                return progress == {CLUSTER.url: ConfigStatus.SYNCED, ENDPOINT.url: ConfigStatus.SYNCED}

            await eventually(lambda: answered_by("one"))
            endpoints.set("web", [running.addresses["two"]])
            await eventually(lambda: answered_by("two"))

            await eventually(synced, what="the Envoy is shown, and has everything")
            (client,) = await clients(socket)
            assert client.node
            assert (client.node.id, client.client_scope) == ("edge-1", "unix:")
            assert "edge-1" in json.dumps(await bridge.get("/api/v1/envoys"))

            assert await bridge.terminate() == 0
            assert not socket.exists()


async def test_the_bridge_that_was_killed_is_followed_by_another(tmp_path: Path) -> None:
    socket, endpoints = tmp_path / "xds.sock", EndpointsFile(tmp_path / "endpoints.json")
    endpoints.set("web", [])
    xds = {"listen": f"127.0.0.1:{free_port()}", "socket": str(socket)}
    source = {**endpoints.source(), "allow_empty": True}
    async with (
        BridgeProcess(tmp_path, [source], xds=xds) as bridge,
        envoy(bootstrap(socket, free_port(), ApiType.DELTA_GRPC), tmp_path),
    ):
        await eventually(lambda: _shown(socket))
        await bridge.kill()
        assert socket.is_socket()

        await bridge.start()

        await eventually(lambda: _shown(socket), timeout=30)


async def _shown(socket: Path) -> bool:
    return len(await clients(socket)) == 1


async def test_a_socket_in_use_keeps_a_second_bridge_from_starting(tmp_path: Path) -> None:
    socket, endpoints = tmp_path / "xds.sock", EndpointsFile(tmp_path / "endpoints.json")
    endpoints.set("web", [])
    source = {**endpoints.source(), "allow_empty": True}
    first, second = (
        BridgeProcess(tmp_path / name, [source], xds={"listen": f"127.0.0.1:{free_port()}", "socket": str(socket)})
        for name in ("first", "second")
    )
    async with first:
        with pytest.raises(AssertionError, match="a running process does"):
            await second.start()

        assert await clients(socket) == []
        assert second.process.returncode == 1
