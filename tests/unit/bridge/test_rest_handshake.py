"""The REST server over real TLS on loopback: whom it believes, what it shows, and what follows a renewal."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import trustme
from cryptography import x509

from bridge.config import Address
from bridge.rest import Handshakes, RestOptions, RestServer
from support.certificates import Authority, CertificateFiles
from support.stream_recorder import StreamRecorder
from support.xds_content import snapshot
from xds import Client, Identity, Reason, SnapshotCache, Validity

PATH = "/v3/discovery:clusters"


class Views(SnapshotCache):
    """Remembers who asked."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[Client] = []

    def view(self, client: Client) -> SnapshotCache:
        self.clients.append(client)
        return self


def identity(server: trustme.CA, clients: trustme.CA | None = None) -> Identity:
    """A certificate for localhost by one authority, believing clients of another."""
    leaf = server.issue_cert("localhost")
    return Identity(
        certificate=b"".join(blob.bytes() for blob in leaf.cert_chain_pems),
        private_key=leaf.private_key_pem.bytes(),
        validity=Validity(time.time(), time.time() + 3600),
        client_ca=clients.cert_pem.bytes() if clients else None,
    )


def asking(server: trustme.CA, *names: str, clients: trustme.CA | None = None) -> ssl.SSLContext:
    """A client that believes one authority and has a certificate of another."""
    context = ssl.create_default_context()
    server.configure_trust(context)
    if names:
        (clients or server).issue_cert(*names).configure_cert(context)
    return context


@asynccontextmanager
async def serving(
    handshakes: Handshakes, views: Views, recorder: StreamRecorder, allowed_sans: Sequence[str] = ()
) -> AsyncIterator[str]:
    """The URL of a server."""
    options = RestOptions(listen=Address("127.0.0.1", 0), handshakes=handshakes, allowed_sans=allowed_sans)
    server = RestServer(options, views, recorder)
    port = await server.start()
    try:
        yield f"https://localhost:{port}{PATH}"
    finally:
        await server.stop()


async def post(url: str, tls: ssl.SSLContext) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, data=b"{}", ssl=tls) as response:
        return response.status, await response.text()


@pytest.fixture
def views() -> Views:
    views = Views()
    views.set(snapshot({"a": ""}))
    return views


@pytest.fixture
def recorder() -> StreamRecorder:
    return StreamRecorder()


async def test_the_names_of_a_verified_certificate_are_known(views: Views, recorder: StreamRecorder) -> None:
    authority, handshakes = trustme.CA(), Handshakes()
    await asyncio.to_thread(
        handshakes.loaded, identity(authority, clients=authority)
    )  # it writes, though only to memory

    async with serving(handshakes, views, recorder) as url:
        status, _ = await post(url, asking(authority, "edge-1.example.com", "10.0.0.7"))

    assert status == 200
    assert [client.names for client in views.clients] == [("edge-1.example.com", "10.0.0.7")]


async def test_nobody_comes_in_without_a_certificate_where_one_is_asked_for(
    views: Views, recorder: StreamRecorder
) -> None:
    authority, stranger, handshakes = trustme.CA(), trustme.CA(), Handshakes()
    await asyncio.to_thread(
        handshakes.loaded, identity(authority, clients=authority)
    )  # it writes, though only to memory

    async with serving(handshakes, views, recorder) as url:
        for tls in (asking(authority), asking(authority, "edge-1", clients=stranger)):
            with pytest.raises(aiohttp.ClientError):
                await post(url, tls)

    assert views.clients == []


async def test_without_an_authority_for_clients_nobody_has_names(views: Views, recorder: StreamRecorder) -> None:
    authority, handshakes = trustme.CA(), Handshakes()
    await asyncio.to_thread(handshakes.loaded, identity(authority))  # it writes, though only to memory

    async with serving(handshakes, views, recorder) as url:
        status, _ = await post(url, asking(authority, "edge-1.example.com"))

    assert status == 200
    assert [client.names for client in views.clients] == [()]


async def test_a_name_that_is_not_on_the_list_is_refused(views: Views, recorder: StreamRecorder) -> None:
    authority, handshakes = trustme.CA(), Handshakes()
    await asyncio.to_thread(
        handshakes.loaded, identity(authority, clients=authority)
    )  # it writes, though only to memory

    async with serving(handshakes, views, recorder, ["edge-*"]) as url:
        allowed, _ = await post(url, asking(authority, "edge-1.example.com"))
        refused, message = await post(url, asking(authority, "web-1.example.com"))

    assert (allowed, refused) == (200, 403)
    assert "allowed_sans" in message
    assert [reason for reason, _message in recorder.of("refused")] == [Reason.NAME_NOT_ALLOWED]


async def test_names_are_the_ones_that_grpc_tells(tmp_path: Path, views: Views, recorder: StreamRecorder) -> None:
    authority, clients, handshakes = trustme.CA(), Authority(), Handshakes()
    await asyncio.to_thread(handshakes.loaded, replace(identity(authority), client_ca=clients.certificate))
    names = ("edge.example.com", "spiffe://prod/envoy", "10.0.0.7", "2001:db8::7")
    forged = (x509.UniformResourceIdentifier("edge.prod.example.com"), x509.DNSName("10.0.0.8"))
    files = CertificateFiles(tmp_path, clients.issue(*names, *forged, "a@example.com"), clients.certificate)
    client = asking(authority)
    client.load_cert_chain(files.certificate, files.private_key)

    async with serving(handshakes, views, recorder) as url:
        status, _ = await post(url, client)

    assert status == 200
    assert [client.names for client in views.clients] == [names]


async def test_an_authority_that_another_has_signed_is_enough(views: Views, recorder: StreamRecorder) -> None:
    authority, handshakes = trustme.CA(), Handshakes()
    between = trustme.CA().create_child_ca()
    await asyncio.to_thread(handshakes.loaded, identity(authority, clients=between))
    client = asking(authority)
    leaf = between.issue_cert("edge-1")
    with leaf.private_key_pem.tempfile() as key, leaf.cert_chain_pems[0].tempfile() as certificate:
        client.load_cert_chain(certificate, key)

    async with serving(handshakes, views, recorder) as url:
        status, _ = await post(url, client)

    assert status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
async def test_a_session_of_before_is_worth_nothing_when_the_authority_is_another(
    views: Views, recorder: StreamRecorder, version: ssl.TLSVersion
) -> None:
    old, new, handshakes = trustme.CA(), trustme.CA(), Handshakes()
    await asyncio.to_thread(handshakes.loaded, identity(old, clients=old))
    client = asking(old, "edge-1")
    client.maximum_version = version

    async with serving(handshakes, views, recorder) as url:
        port = int(url.split(":")[2].split("/")[0])
        session = await asyncio.to_thread(resumed, port, client, None)
        await asyncio.to_thread(resumed, port, client, session)
        await asyncio.to_thread(handshakes.loaded, identity(old, clients=new))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(resumed, port, client, session)


async def test_no_tickets_are_given_out(views: Views, recorder: StreamRecorder) -> None:
    authority, handshakes = trustme.CA(), Handshakes()
    await asyncio.to_thread(handshakes.loaded, identity(authority, clients=authority))

    async with serving(handshakes, views, recorder) as url:
        port = int(url.split(":")[2].split("/")[0])
        session = await asyncio.to_thread(resumed, port, asking(authority, "edge-1"), None)

    assert not session.has_ticket


def resumed(port: int, tls: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLSession:
    """Ask, if possible in the session of another time; returns what to come back with."""
    request = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    with (
        socket.create_connection(("127.0.0.1", port)) as connection,
        tls.wrap_socket(connection, server_hostname="localhost", session=session) as secured,
    ):
        secured.sendall(request.encode())
        if not secured.recv(1):
            raise ConnectionError("closed")
        session = secured.session
        assert session
        while secured.recv(65536):
            pass
        secured.unwrap()  # in good order, or the server forgets the session
        return session


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["by name", "without a name"])
async def test_new_certificates_and_authorities_are_used_from_the_next_handshake_on(
    views: Views, recorder: StreamRecorder, host: str
) -> None:
    old, new, handshakes = trustme.CA(), trustme.CA(), Handshakes()
    await asyncio.to_thread(handshakes.loaded, identity(old, clients=old))  # it writes, though only to memory

    async with serving(handshakes, views, recorder) as url:
        address = url.replace("localhost", host)
        clients = [asking(old, "edge-1"), asking(new, "edge-1")]
        for client in clients:
            client.check_hostname = False  # it is the handshake without a name that matters, not the name
        before = (await post(address, clients[0]))[0]
        await asyncio.to_thread(handshakes.loaded, identity(new, clients=new))
        after = (await post(address, clients[1]))[0]
        with pytest.raises(aiohttp.ClientError):
            await post(address, clients[0])

    assert (before, after) == (200, 200)
