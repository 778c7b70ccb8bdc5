"""The port with TLS: who gets in, who does not, and what happens when certificates are replaced while it runs."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from support.certificates import Authority, CertificateFiles, Key, MountedFiles
from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_client import TRANSPORTS, RawStream, Transport, XdsClient, connected
from support.xds_content import snapshot
from xds import (
    CLUSTER,
    Client,
    Credentials,
    Identity,
    IdentityError,
    Reason,
    ServerOptions,
    SnapshotCache,
    TlsFiles,
    XdsServer,
)

ADS = Transport(delta=True, aggregated=True)
ENVOY = "spiffe://prod/envoy"


@dataclass
class IdentityRecorder:
    """The `IdentityObserver` that remembers."""

    identities: list[Identity] = field(default_factory=list)
    errors: list[IdentityError] = field(default_factory=list)

    def loaded(self, identity: Identity) -> None:
        self.identities.append(identity)

    def rejected(self, error: IdentityError) -> None:
        self.errors.append(error)


class RememberingViews:
    """One view for all, and who asked for it."""

    def __init__(self, cache: SnapshotCache) -> None:
        self._cache = cache
        self.watch = cache.watch
        self.clients: list[Client] = []

    @property
    def ready(self) -> bool:
        return self._cache.ready

    def view(self, client: Client) -> SnapshotCache:
        self.clients.append(client)
        return self._cache


@dataclass
class Secured:
    """A running server with TLS, its files, and the authority of everybody."""

    port: int
    authority: Authority
    files: CertificateFiles
    identity: IdentityRecorder
    recorder: StreamRecorder
    views: RememberingViews
    source: Credentials

    def credentials(self, *names: str) -> grpc.ChannelCredentials:
        return self.authority.credentials(self.authority.issue(*names))

    @asynccontextmanager
    async def served(
        self, credentials: grpc.ChannelCredentials, transport: Transport = ADS
    ) -> AsyncIterator[XdsClient]:
        """A client that has got its clusters."""
        async with connected(self.port, transport, credentials=credentials) as client:
            await client.subscribe(CLUSTER)
            assert (await client.accept(CLUSTER)).names == {"a"}
            yield client

    async def status(
        self, credentials: grpc.ChannelCredentials | None, method: str = ""
    ) -> tuple[grpc.StatusCode, str]:
        """How the server answers a call."""
        async with connected(self.port, ADS, credentials=credentials) as client:
            stream = RawStream(client._channel, method or ADS.method(CLUSTER))
            return await stream.status(), await stream.details()

    async def shown(self) -> int:
        """The serial number of the certificate that a new connection is shown."""
        return await asyncio.to_thread(_shown, self.port)


def _shown(port: int) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as connection, context.wrap_socket(connection) as secured:
        certificate = secured.getpeercert(binary_form=True)
    assert certificate
    return x509.load_der_x509_certificate(certificate).serial_number


@asynccontextmanager
async def secured(
    directory: Path, *, verify: bool = True, allowed: tuple[str, ...] = (), mounted: bool = False
) -> AsyncIterator[Secured]:
    authority = Authority()
    make = MountedFiles if mounted else CertificateFiles
    files = make(directory, authority.issue("127.0.0.1", "localhost"), authority.certificate)
    identity, recorder = IdentityRecorder(), StreamRecorder()
    paths = TlsFiles(
        certificate=files.certificate, private_key=files.private_key, client_ca=files.ca if verify else None
    )
    cache = SnapshotCache()
    cache.set(snapshot({"a": ""}))
    views = RememberingViews(cache)
    credentials = Credentials(paths, [identity], interval=0.02)
    server = XdsServer(views, ServerOptions(allowed_sans=allowed), recorder, credentials=credentials)
    running = asyncio.create_task(server.run())
    try:
        yield Secured(await server.start(), authority, files, identity, recorder, views, credentials)
    finally:
        await server.stop(grace=1)
        running.cancel()
    assert recorder.failures == []


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
async def test_a_client_with_a_certificate_is_served(tmp_path: Path, transport: Transport) -> None:
    async with secured(tmp_path) as server, server.served(server.credentials(ENVOY), transport):
        pass


async def test_without_an_authority_clients_need_no_certificate(tmp_path: Path) -> None:
    async with secured(tmp_path, verify=False) as server, server.served(server.authority.credentials()):
        assert server.views.clients[0].names == ()


async def test_dns_names_uris_and_addresses_are_what_a_client_is_known_by(tmp_path: Path) -> None:
    names = ("edge.example.com", ENVOY, "10.0.0.7", "2001:db8::1")
    async with secured(tmp_path) as server, server.served(server.credentials(*names, "anything@example.com")):
        assert set(server.views.clients[0].names) == set(names)


async def test_the_text_of_one_kind_of_name_is_not_another(tmp_path: Path) -> None:
    forged = [x509.UniformResourceIdentifier("edge.example.com"), x509.DNSName(ENVOY), x509.DNSName("10.0.0.7")]
    async with secured(tmp_path, allowed=("edge.example.com", ENVOY, "10.0.0.7", "10.0.*")) as server:
        pair = server.authority.issue(*forged, x509.DNSName("10.0.evil.example.com"))
        code, details = await server.status(server.authority.credentials(pair))

    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert details.endswith("it has 10.0.evil.example.com")


async def test_without_a_certificate_nobody_gets_in(tmp_path: Path) -> None:
    async with secured(tmp_path) as server:
        code, _ = await server.status(server.authority.credentials())

    assert code is grpc.StatusCode.UNAVAILABLE
    assert server.recorder.events == []


async def test_nobody_gets_in_with_a_certificate_of_somebody_else(tmp_path: Path) -> None:
    stranger = Authority()
    async with secured(tmp_path) as server:
        code, _ = await server.status(server.authority.credentials(stranger.issue(ENVOY)))

    assert code is grpc.StatusCode.UNAVAILABLE
    assert server.recorder.events == []


async def test_nobody_gets_in_with_plain_text(tmp_path: Path) -> None:
    async with secured(tmp_path) as server:
        code, _ = await server.status(None)

    assert code is grpc.StatusCode.UNAVAILABLE
    assert server.recorder.events == []


@pytest.mark.parametrize("entry", [ENVOY, "spiffe://prod/*"])
async def test_a_name_on_the_list_gets_in(tmp_path: Path, entry: str) -> None:
    async with (
        secured(tmp_path, allowed=("edge.example.com", entry)) as server,
        server.served(server.credentials("other.example.com", ENVOY)),
    ):
        pass


async def test_a_name_that_is_not_on_the_list_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    async with secured(tmp_path, allowed=("spiffe://prod/*",)) as server:
        code, details = await server.status(server.credentials("spiffe://test/envoy", "10.0.0.7"))

    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "spiffe://test/envoy, 10.0.0.7" in details
    assert "allowed_sans" in details
    assert "spiffe://prod" not in details  # the list is nobody's business
    assert server.recorder.events == [("refused", Reason.NAME_NOT_ALLOWED, details)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no DNS, URI or IP name"),
        (("a@example.com",), "no DNS, URI or IP name"),
        (tuple(f"host-{number}" for number in range(100)), "host-7 and 92 more"),
    ],
    ids=["none", "e-mail", "many"],
)
async def test_a_refusal_says_what_the_certificate_has(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    async with secured(tmp_path, allowed=("spiffe://prod/*", "a@example.com")) as server:
        code, details = await server.status(server.credentials(*names))

    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert message in details


async def test_an_allowed_name_calls_what_is_not_served_in_vain(tmp_path: Path) -> None:
    async with secured(tmp_path, allowed=(ENVOY,)) as server:
        code, _ = await server.status(server.credentials(ENVOY), "/envoy.service.unknown.v3.Unknown/Stream")

    assert code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("mounted", [False, True], ids=["renamed", "mounted"])
async def test_a_new_certificate_is_shown_to_new_connections_and_old_ones_live_on(
    tmp_path: Path, mounted: bool
) -> None:
    async with secured(tmp_path, mounted=mounted) as server, server.served(server.credentials(ENVOY)) as old:
        renewed = server.authority.issue("127.0.0.1")
        if isinstance(server.files, MountedFiles):
            server.files.swap(renewed, server.authority.certificate)
        else:
            server.files.write(renewed)
        await eventually(lambda: len(server.identity.identities) == 2)

        assert await server.shown() == renewed.serial
        async with server.served(server.credentials(ENVOY)):
            server.views._cache.set(snapshot({"b": ""}))
            assert (await old.accept(CLUSTER)).names == {"b"}
    assert server.recorder.of("opened") == [("delta",)] * 2


async def test_garbage_leaves_the_last_good_certificate_in_use(tmp_path: Path) -> None:
    async with secured(tmp_path) as server:
        before = await server.shown()
        server.files.certificate.write_bytes(b"garbage")
        await eventually(lambda: len(server.identity.errors) == 1)

        assert await server.shown() == before
        async with server.served(server.credentials(ENVOY)):
            pass

        renewed = server.authority.issue("127.0.0.1")
        server.files.write(renewed)
        await eventually(lambda: len(server.identity.identities) == 2)
        assert await server.shown() == renewed.serial
    assert len(server.identity.errors) == 1  # told once, however often it was looked at


async def test_a_key_without_its_certificate_waits_for_it(tmp_path: Path) -> None:
    async with secured(tmp_path) as server:
        before, renewed = await server.shown(), server.authority.issue("127.0.0.1")
        server.files.write_key(renewed)
        await eventually(lambda: len(server.identity.errors) == 1)
        assert await server.shown() == before

        server.files.write_certificate(renewed)
        await eventually(lambda: len(server.identity.identities) == 2)

        assert await server.shown() == renewed.serial
    assert "does not belong" in str(server.identity.errors[0])


async def test_another_authority_of_clients_holds_for_new_connections(tmp_path: Path) -> None:
    other = Authority()
    async with secured(tmp_path) as server, server.served(server.credentials(ENVOY)) as old:
        server.files.write_ca(other.certificate)
        await eventually(lambda: len(server.identity.identities) == 2)

        code, _ = await server.status(server.credentials(ENVOY))
        assert code is grpc.StatusCode.UNAVAILABLE
        async with server.served(server.authority.credentials(other.issue(ENVOY))):
            server.views._cache.set(snapshot({"b": ""}))
            assert (await old.accept(CLUSTER)).names == {"b"}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
async def test_a_session_of_before_is_worth_nothing_when_the_authority_is_another(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with secured(tmp_path / "server") as server:
        client = CertificateFiles(tmp_path / "client", server.authority.issue(ENVOY), server.authority.certificate)
        context = ssl.create_default_context(cafile=str(client.ca))
        context.load_cert_chain(client.certificate, client.private_key)
        context.set_alpn_protocols(["h2"])
        context.maximum_version = version
        session = await asyncio.to_thread(_greeted, server.port, context)
        await asyncio.to_thread(_greeted, server.port, context, session)

        server.files.write_ca(Authority().certificate)
        await eventually(lambda: len(server.identity.identities) == 2)

        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(_greeted, server.port, context, session)


def _greeted(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSession:
    """Be let in as far as HTTP/2's first frame, and return what to come back with."""
    with (
        socket.create_connection(("127.0.0.1", port)) as connection,
        context.wrap_socket(connection, server_hostname="localhost", session=session) as secured,
    ):
        secured.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
        if not secured.recv(1):
            raise ConnectionError("closed")
        assert secured.session
        return secured.session


@pytest.mark.parametrize(
    "make",
    [lambda: ec.generate_private_key(ec.SECP384R1()), lambda: rsa.generate_private_key(65537, 2048)],
    ids=["P-384", "RSA"],
)
async def test_other_kinds_of_keys_are_served(tmp_path: Path, make: Callable[[], Key]) -> None:
    async with secured(tmp_path) as server:
        renewed = server.authority.issue("127.0.0.1", key=make())
        server.files.write(renewed)
        await eventually(lambda: len(server.identity.identities) == 2)

        assert await server.shown() == renewed.serial
        async with server.served(server.credentials(ENVOY)):
            pass


async def test_the_same_files_written_again_change_nothing(tmp_path: Path) -> None:
    async with secured(tmp_path) as server:
        server.files.write_ca(server.authority.certificate)
        server.files.certificate.unlink()  # the fence: this is noticed after that
        await eventually(lambda: len(server.identity.errors) == 1)

        assert len(server.identity.identities) == 1


async def test_files_in_another_place_are_used_when_they_were_read_and_followed_from_then_on(tmp_path: Path) -> None:
    async with secured(tmp_path / "old") as server:
        first, second, third = (server.authority.issue("127.0.0.1") for _ in range(3))
        moved = CertificateFiles(tmp_path / "new", first, server.authority.certificate)
        paths = TlsFiles(certificate=moved.certificate, private_key=moved.private_key, client_ca=moved.ca)

        server.source.use(await server.source.read(paths))
        assert await server.shown() == first.serial

        server.files.write(third)  # in the old place, where nobody looks any more
        moved.write(second)
        await eventually(lambda: len(server.identity.identities) == 3)
        assert await server.shown() == second.serial
        moved.certificate.unlink()
        with pytest.raises(IdentityError, match="cannot be read"):
            await server.source.read(paths)


async def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    authority = Authority()
    files = CertificateFiles(tmp_path, authority.issue("a"), authority.certificate)
    files.write_key(authority.issue("b"))
    paths = TlsFiles(certificate=files.certificate, private_key=files.private_key)
    server = XdsServer(SnapshotCache(), ServerOptions(), StreamRecorder(), credentials=Credentials(paths, []))

    with pytest.raises(IdentityError, match="does not belong"):
        await server.start()


async def test_handshakes_that_never_end_hold_up_nobody(tmp_path: Path) -> None:
    async with secured(tmp_path) as server, server.served(server.credentials(ENVOY)) as old:
        idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(300)]
        server.files.write(server.authority.issue("127.0.0.1"))
        await eventually(lambda: len(server.identity.identities) == 2)

        async with server.served(server.credentials(ENVOY)):
            server.views._cache.set(snapshot({"b": ""}))
            assert (await old.accept(CLUSTER)).names == {"b"}

        for _, writer in idle:
            writer.close()
