"""What the server proves who it is with, and by what it tells its clients apart: read from PEM files, and tried out.

A module of its own because `check` judges the same files without any server.
"""

import os
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_PRIVATE_KEY = b"PRIVATE KEY-----"
_KINDS = tuple(
    bytes.fromhex(encoded)
    for encoded in (
        "06092a864886f70d010101",  # RSA
        "06072a8648ce3d020106082a8648ce3d030107",  # P-256
        "06072a8648ce3d020106052b81040022",  # P-384
    )
)
"""How a certificate says what kind of key it is for (RFC 3279, RFC 5480). Measured: the TLS of gRPC serves no other."""

_STRANGERS = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
"""What OpenSSL says of a key that is not the certificate's; the last one when it is of another kind."""


class Part(StrEnum):
    """Which of the files."""

    CERTIFICATE = "certificate"
    PRIVATE_KEY = "private_key"
    CLIENT_CA = "client_ca"


class IdentityError(Exception):
    """A file cannot be used. The message names it, what is wrong with it, and what to do; it never quotes it.

    Args:
        part: which file.
        path: where it is.
        reason: what is wrong with it, as the rest of a sentence that begins with the path.
    """

    def __init__(self, part: Part, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.part = part
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where the PEM files are."""

    certificate: Path
    """The server's certificate, followed by the intermediate ones up to what clients trust."""
    private_key: Path
    client_ca: Path | None = None
    """The authorities that sign certificates of clients; a client must then show one."""

    def __iter__(self) -> Iterator[Path]:
        yield from (self.certificate, self.private_key)
        if self.client_ca is not None:
            yield self.client_ca


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate is accepted, in seconds since 1970 (RFC 5280 §4.1.2.5)."""

    not_before: float
    not_after: float

    @property
    def lifetime(self) -> float:
        """Seconds."""
        return self.not_after - self.not_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The content of the files, which fits together and is valid now."""

    certificate: bytes
    private_key: bytes = field(repr=False)
    validity: Validity
    """Of the certificate, or of the one that it is followed by and that ends before it."""
    client_ca: bytes | None = None
    client_ca_validity: Validity | None = None
    """Of the clients' authority that ends last."""


def read_identity(files: TlsFiles) -> Identity:
    """Read the files and try them out. Blocks: the files may be on a slow disk.

    Raises:
        IdentityError: one cannot be read, is not what it should be, or does not fit to another.
    """
    certificate = _content(Part.CERTIFICATE, files.certificate, _CERTIFICATE, "certificate")
    private_key = _content(Part.PRIVATE_KEY, files.private_key, _PRIVATE_KEY, "private key")
    validity = _try_out(files, certificate, private_key)
    if files.client_ca is None:
        return Identity(certificate=certificate, private_key=private_key, validity=validity)
    client_ca = _content(Part.CLIENT_CA, files.client_ca, _CERTIFICATE, "certificate")
    return Identity(
        certificate=certificate,
        private_key=private_key,
        validity=validity,
        client_ca=client_ca,
        client_ca_validity=_last_authority(files.client_ca, client_ca),
    )


def server_context(identity: Identity) -> ssl.SSLContext:
    """What a server that is not gRPC's shakes hands with, to the same effect.

    It gives out no tickets: whoever comes back with one is not asked for a certificate again, and each use renews it. A
    client of TLS 1.2 may take up a session that this context remembers, for two hours; `ssl` cannot forbid it.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as gRPC does: what is in `client_ca` need not be a root
    with _in_memory(identity.certificate) as chain, _in_memory(identity.private_key) as key:
        context.load_cert_chain(chain, key)
    if identity.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=identity.client_ca.decode("ascii", "ignore"))
    return context


class IdentityWatch:
    """Reads the files again when they have changed: rewritten, renamed into place, or by a symbolic link on their way.

    Blocking, so for a thread of its own.

    Args:
        files: where they are.
        clock: seconds since 1970.
    """

    def __init__(self, files: TlsFiles, clock: Callable[[], float] = time.time) -> None:
        self._files = files
        self._clock = clock
        self._seen: object = None
        self._accepted: object = None
        self._expires = 0.0

    def look(self) -> Identity | None:
        """What the files hold; None while that is nothing new.

        Files are replaced one after the other, so they are read when two looks in a row found the same ones. Those that
        cannot be used are tried again at each look: time alone may mend them.

        Raises:
            IdentityError: they cannot be used; also when they could, and have expired since.
        """
        before, self._seen = self._seen, tuple(_signature(path) for path in self._files)
        if self._seen == self._accepted and self._clock() < self._expires:
            return None
        if before not in (None, self._seen):
            return None
        identity = read_identity(self._files)
        self._accepted, self._expires = self._seen, identity.validity.not_after
        return identity


def _signature(path: Path) -> tuple[int, ...] | None:
    """What is another when the content is, of the file that a path leads to; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _content(part: Part, path: Path, mark: bytes, what: str) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would never end
            raise IdentityError(part, path, "is not a file")
        content = path.read_bytes()
    except OSError as error:
        reason = f"cannot be read ({error.strerror}); is the path right, and may this user read it?"
        raise IdentityError(part, path, reason) from error
    if mark not in content:
        raise IdentityError(part, path, f"holds no {what} in PEM form")
    return content


def _try_out(files: TlsFiles, certificate: bytes, private_key: bytes) -> Validity:
    """Shake hands with ourselves, and say for how long that works."""
    client = _context(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it trusts this certificate, whoever has signed it
    anchors = _authorities(client, Part.CERTIFICATE, files.certificate, certificate)
    server = _context(ssl.PROTOCOL_TLS_SERVER)
    _load(server, files, certificate, private_key)
    visitor = _shake_hands(client, server, files.certificate)
    if not any(kind in (visitor.getpeercert(binary_form=True) or b"") for kind in _KINDS):
        reason = "is for a kind of key that gRPC does not serve; use RSA, P-256 or P-384"
        raise IdentityError(Part.CERTIFICATE, files.certificate, reason)
    return min([_validity(visitor.getpeercert() or {}), *anchors], key=_end)


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    return context


def _load(server: ssl.SSLContext, files: TlsFiles, certificate: bytes, private_key: bytes) -> None:
    if b"ENCRYPTED" in private_key:
        reason = "is encrypted, and there is nobody to ask for its passphrase; write it without one"
        raise IdentityError(Part.PRIVATE_KEY, files.private_key, reason)
    try:
        with _in_memory(certificate) as chain, _in_memory(private_key) as key:
            server.load_cert_chain(chain, key, password="")  # without one, OpenSSL would ask on the terminal
    except ssl.SSLError as error:
        if error.reason in _STRANGERS:
            reason = f"does not belong to the first certificate in {files.certificate}; replace both"
            raise IdentityError(Part.PRIVATE_KEY, files.private_key, reason) from error
        if error.reason is None:  # "PEM lib": the certificate was decoded before
            raise IdentityError(Part.PRIVATE_KEY, files.private_key, "holds no key that can be decoded") from error
        reason = f"is of no use: {error.reason.lower().replace('_', ' ')}"
        raise IdentityError(Part.CERTIFICATE, files.certificate, reason) from error
    except OSError as error:  # such as too many open files
        reason = f"cannot be tried out ({error.strerror})"
        raise IdentityError(Part.PRIVATE_KEY, files.private_key, reason) from error


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, path: Path) -> ssl.SSLObject:
    """Both sides of a handshake, in memory; returns the client's."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    visitor = client.wrap_bio(to_client, to_server)
    host = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        for side in (visitor, host, visitor, host, visitor):  # the last two for TLS 1.2
            with _waiting():
                side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        raise IdentityError(Part.CERTIFICATE, path, f"is accepted by no client: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise IdentityError(Part.CERTIFICATE, path, f"cannot be shown to a client: {error.reason}") from error
    return visitor


@contextmanager
def _waiting() -> Iterator[None]:
    """A side that waits for the other one has done its part."""
    try:
        yield
    except ssl.SSLWantReadError:
        return


def _last_authority(path: Path, content: bytes) -> Validity:
    authorities = _authorities(_context(ssl.PROTOCOL_TLS_CLIENT), Part.CLIENT_CA, path, content)
    if not authorities:
        raise IdentityError(Part.CLIENT_CA, path, "holds no certificate of an authority (CA:TRUE)")
    last = max(authorities, key=_end)
    if last.not_after < time.time():
        raise IdentityError(Part.CLIENT_CA, path, "holds authorities that have expired; renew them")
    return last


def _authorities(context: ssl.SSLContext, part: Part, path: Path, content: bytes) -> list[Validity]:
    """Have a context trust the certificates in a file, and say for how long each of an authority is one."""
    try:
        context.load_verify_locations(cadata=content.decode("ascii", "ignore"))
    except ssl.SSLError as error:
        raise IdentityError(part, path, "holds a certificate that cannot be decoded") from error
    return [_validity(certificate) for certificate in context.get_ca_certs()]


def _validity(certificate: "ssl._PeerCertRetDictType") -> Validity:
    begins, ends = (ssl.cert_time_to_seconds(str(certificate[key])) for key in ("notBefore", "notAfter"))
    return Validity(begins, ends)


def _end(validity: Validity) -> float:
    return validity.not_after


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path at which OpenSSL, which takes keys from files alone, finds exactly what was read, and nobody else does."""
    descriptor = os.memfd_create("xds-bridge-tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
