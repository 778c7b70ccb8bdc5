"""The unix socket beside the port: the same services, a file that only its owner and group may use, and none left."""

import socket
import stat
from pathlib import Path

import grpc.aio
import pytest
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest, DiscoveryResponse

from support.stream_recorder import StreamRecorder
from support.unary import call
from support.xds_client import RawStream, Transport
from support.xds_content import snapshot
from xds import CLUSTER, ServerOptions, SnapshotCache, XdsServer


def listening_at(path: Path, cache: SnapshotCache | None = None) -> XdsServer:
    return XdsServer(cache or SnapshotCache(), ServerOptions(socket=str(path)), StreamRecorder())


@pytest.mark.parametrize("name", ["xds.sock", "two words, 100%#?é.sock"])
async def test_streams_and_calls_are_served_on_it(tmp_path: Path, name: str) -> None:
    path, cache = tmp_path / name, SnapshotCache()
    cache.set(snapshot({"a": ""}))
    server = listening_at(path, cache)
    port = await server.start()
    link = tmp_path / "link"  # how a client spells a strange path is not the question here
    link.symlink_to(path)

    async with grpc.aio.insecure_channel(f"unix:{link}") as channel:
        stream = RawStream(channel, Transport(delta=False, aggregated=True).method(CLUSTER))
        await stream.send(bytes(DiscoveryRequest(type_url=CLUSTER.url)))
        answer = DiscoveryResponse.parse(await stream.receive() or b"")
    fetched = DiscoveryResponse.parse(await call(f"127.0.0.1:{port}", f"/{CLUSTER.service}/FetchClusters", b""))
    mode = path.stat().st_mode
    await server.stop(grace=1)

    assert answer.resources == fetched.resources
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660
    assert not path.exists()


async def test_the_socket_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "xds.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()

    server = listening_at(path)
    await server.start()
    answer = await call(f"unix:{path}", "/grpc.health.v1.Health/Check", b"")
    await server.stop(grace=1)

    assert answer == b"\x08\x02"


async def test_a_socket_in_use_is_an_error_and_stays_in_use(tmp_path: Path) -> None:
    path = tmp_path / "xds.sock"
    first = listening_at(path)
    await first.start()

    with pytest.raises(OSError, match=f"cannot listen for xDS on {path}: a running process does; stop it"):
        await listening_at(path).start()

    assert await call(f"unix:{path}", "/grpc.health.v1.Health/Check", b"") == b"\x08\x02"
    await first.stop(grace=1)


async def test_a_file_in_its_place_is_an_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "xds.sock"
    path.write_text("precious")

    with pytest.raises(OSError, match="no file in its place"):
        await listening_at(path).start()

    assert path.read_text() == "precious"


async def test_a_directory_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is its directory there and writable"):
        await listening_at(tmp_path / "nowhere" / "xds.sock").start()


async def test_a_path_that_is_too_long_says_how_long_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 108)

    with pytest.raises(OSError, match="a socket's path has 107 at most"):
        await listening_at(path).start()
