"""Certificate authorities for tests, and files that are replaced as cert-manager, Vault and Kubernetes do it."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.confidential import hand_out_key

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key in PEM form."""

    certificate: bytes
    private_key: bytes

    @property
    def serial(self) -> int:
        """What tells it from every other one."""
        return x509.load_pem_x509_certificate(self.certificate).serial_number


class Authority:
    """Signs certificates with any names: DNS names, URIs (`spiffe://…`), IP addresses and e-mail addresses."""

    def __init__(self) -> None:
        own = trustme.CA()
        self.certificate = own.cert_pem.bytes()
        self._certificate = x509.load_pem_x509_certificate(self.certificate)
        key = serialization.load_pem_private_key(own.private_key_pem.bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    def issue(
        self,
        *names: str | x509.GeneralName,
        begins: timedelta = -DAY,
        ends: timedelta = 90 * DAY,
        key: Key | None = None,
        usage: x509.ObjectIdentifier | None = None,
    ) -> Pair:
        """A new certificate and its key.

        Args:
            names: what it is for, of a kind that is not what the text looks like where one is given; none are allowed.
            begins: from when it is valid, counted from now.
            ends: until when; by default so late that nobody is told of it as one that ends soon.
            key: P-256 when left out.
            usage: the only thing that it may be used for.
        """
        key, now = key or ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_name(name) if isinstance(name, str) else name for name in names]), False
            )
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))

    def credentials(self, pair: Pair | None = None) -> grpc.ChannelCredentials:
        """Of a client that trusts this authority, and shows a certificate or none."""
        if pair is None:
            return grpc.ssl_channel_credentials(self.certificate)
        return grpc.ssl_channel_credentials(self.certificate, pair.private_key, pair.certificate)


CLIENT_ONLY = ExtendedKeyUsageOID.CLIENT_AUTH


class CertificateFiles:
    """The files of one server or client in a directory, each replaced by renaming a new one over it."""

    def __init__(self, directory: Path, pair: Pair, ca: bytes) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.certificate, self.private_key = directory / "tls.crt", directory / "tls.key"
        self.ca = directory / "ca.crt"
        self.write(pair)
        self.write_ca(ca)

    def write(self, pair: Pair) -> None:
        """Replace the key, then the certificate."""
        self.write_key(pair)
        self.write_certificate(pair)

    def write_key(self, pair: Pair) -> None:
        replace(self.private_key, hand_out_key(pair.private_key))

    def write_certificate(self, pair: Pair) -> None:
        replace(self.certificate, pair.certificate)

    def write_ca(self, ca: bytes) -> None:
        replace(self.ca, ca)


class MountedFiles(CertificateFiles):
    """The same as Kubernetes mounts them: each a link through a directory that is swapped for all of them at once."""

    def __init__(self, directory: Path, pair: Pair, ca: bytes) -> None:
        self._versions = 0
        super().__init__(directory, pair, ca)
        for path in (self.certificate, self.private_key, self.ca):
            path.unlink()
            path.symlink_to(Path("..data") / path.name)
        self.swap(pair, ca)

    def swap(self, pair: Pair, ca: bytes) -> None:
        """Replace everything at once."""
        self._versions += 1
        version = self.directory / f"..{self._versions}"
        version.mkdir()
        for path, content in (
            (self.certificate, pair.certificate),
            (self.private_key, hand_out_key(pair.private_key)),
            (self.ca, ca),
        ):
            (version / path.name).write_bytes(content)
        fresh = self.directory / "..data_tmp"
        fresh.symlink_to(version.name)
        fresh.rename(self.directory / "..data")


def replace(path: Path, content: bytes) -> None:
    """Write a new file beside the old one and rename it over it."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.rename(path)


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)


def _pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
