"""CSDS beyond the unix socket: for the certificates that are allowed it, over real mutual TLS."""

import time
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
import trustme

from support.stream_recorder import StreamRecorder
from xds import Limits, SnapshotCache
from xds.admission import Admission
from xds.audience import Audience
from xds.propagation import Propagation
from xds.server.client_status import ClientStatus
from xds.surroundings import Surroundings

METHOD = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def port(authority: trustme.CA) -> AsyncIterator[int]:
    recorder = StreamRecorder()
    audience = Audience(Surroundings(SnapshotCache(), recorder, Propagation(), time.monotonic), patience=30)
    service = ClientStatus(audience, ["ops.example.com", "admin-*"], Admission(Limits(), time.monotonic), recorder)
    server = grpc.aio.server()
    for name, methods in service.services().items():
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, methods)])
    key, chain = pem(authority.issue_cert("localhost"))
    root = authority.cert_pem.bytes()
    credentials = grpc.ssl_server_credentials([(key, chain)], root, require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    yield port
    await server.stop(None)


def pem(certificate: trustme.LeafCert) -> tuple[bytes, bytes]:
    """Its key, and its chain."""
    return certificate.private_key_pem.bytes(), b"".join(blob.bytes() for blob in certificate.cert_chain_pems)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("ops.example.com", grpc.StatusCode.OK),
        ("admin-7.example.com", grpc.StatusCode.OK),
        ("edge-1.example.com", grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_the_name_in_the_certificate_decides(
    port: int, authority: trustme.CA, name: str, status: grpc.StatusCode
) -> None:
    key, chain = pem(authority.issue_cert(name))
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes(), key, chain)

    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        question: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        call = question(b"", timeout=60)

        assert await call.code() is status
