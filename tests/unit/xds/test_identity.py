import os
import resource
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from support.certificates import CLIENT_ONLY, DAY, Authority, CertificateFiles, Key, MountedFiles, Pair, replace
from xds import IdentityError, Part, TlsFiles, read_identity
from xds.identity import IdentityWatch


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("localhost", ends=DAY)


@pytest.fixture
def files(tmp_path: Path, authority: Authority, pair: Pair) -> CertificateFiles:
    return CertificateFiles(tmp_path, pair, authority.certificate)


def paths(files: CertificateFiles) -> TlsFiles:
    return TlsFiles(certificate=files.certificate, private_key=files.private_key, client_ca=files.ca)


def encrypted(pair: Pair, form: serialization.PrivateFormat) -> bytes:
    key = serialization.load_pem_private_key(pair.private_key, None)
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret"))


def test_what_is_read_is_what_the_files_hold(files: CertificateFiles, pair: Pair, authority: Authority) -> None:
    identity = read_identity(paths(files))

    assert (identity.certificate, identity.private_key) == (pair.certificate, pair.private_key)
    assert identity.client_ca == authority.certificate
    assert identity.validity.not_after == pytest.approx(time.time() + DAY.total_seconds(), abs=60)
    assert identity.validity.lifetime == pytest.approx(2 * DAY.total_seconds(), abs=1)
    assert identity.client_ca_validity is not None
    assert identity.client_ca_validity.not_after > identity.validity.not_after


def test_clients_need_no_authority(files: CertificateFiles) -> None:
    identity = read_identity(TlsFiles(certificate=files.certificate, private_key=files.private_key))

    assert (identity.client_ca, identity.client_ca_validity) == (None, None)


def test_a_chain_expires_with_the_first_of_its_certificates(files: CertificateFiles, authority: Authority) -> None:
    late = authority.issue("localhost", ends=timedelta(days=400_000))
    replace(files.certificate, late.certificate + authority.certificate)
    files.write_key(late)

    identity = read_identity(paths(files))

    assert identity.validity == identity.client_ca_validity


@pytest.mark.parametrize(
    "make",
    [lambda: ec.generate_private_key(ec.SECP384R1()), lambda: rsa.generate_private_key(65537, 2048)],
    ids=["P-384", "RSA"],
)
def test_keys_that_grpc_can_serve_are_accepted(
    files: CertificateFiles, authority: Authority, make: Callable[[], Key]
) -> None:
    files.write(authority.issue("localhost", key=make()))

    assert read_identity(paths(files)).validity.not_after > time.time()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP521R1()),
        lambda: ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate,
    ],
    ids=["P-521", "secp256k1", "Ed25519"],
)
def test_keys_that_grpc_cannot_serve_are_refused(
    files: CertificateFiles, authority: Authority, make: Callable[[], Key]
) -> None:
    files.write(authority.issue("localhost", key=make()))

    with pytest.raises(IdentityError, match=r"(use RSA, P-256 or P-384|cannot be shown)") as caught:
        read_identity(paths(files))

    assert caught.value.part is Part.CERTIFICATE


GARBAGE = b"-----BEGIN %b-----\nAAAA\n-----END %b-----\n"


@pytest.mark.parametrize(
    ("spoil", "part", "reason"),
    [
        (lambda f, _: f.certificate.unlink(), Part.CERTIFICATE, r"cannot be read \(No such file"),
        (lambda f, _: f.private_key.unlink(), Part.PRIVATE_KEY, r"cannot be read \(No such file"),
        (lambda f, _: f.ca.unlink(), Part.CLIENT_CA, r"cannot be read \(No such file"),
        (lambda f, _: (f.ca.unlink(), f.ca.mkdir()), Part.CLIENT_CA, "is not a file"),
        (lambda f, _: f.certificate.write_bytes(b""), Part.CERTIFICATE, "no certificate in PEM form"),
        (lambda f, _: f.private_key.write_bytes(b"\x30\x82"), Part.PRIVATE_KEY, "no private key in PEM form"),
        (lambda f, _: f.ca.write_bytes(b"hello"), Part.CLIENT_CA, "no certificate in PEM form"),
        (lambda f, _: f.certificate.write_bytes(GARBAGE.replace(b"%b", b"CERTIFICATE")), Part.CERTIFICATE, "decoded"),
        (lambda f, _: f.private_key.write_bytes(GARBAGE.replace(b"%b", b"PRIVATE KEY")), Part.PRIVATE_KEY, "decoded"),
        (lambda f, _: f.ca.write_bytes(GARBAGE.replace(b"%b", b"CERTIFICATE")), Part.CLIENT_CA, "decoded"),
        (lambda f, a: f.write_key(a.issue("b")), Part.PRIVATE_KEY, "does not belong to the first certificate"),
        (
            lambda f, a: f.write_key(a.issue("b", key=rsa.generate_private_key(65537, 2048))),
            Part.PRIVATE_KEY,
            "does not belong to the first certificate",
        ),
        (lambda f, a: f.write(a.issue("b", begins=-2 * DAY, ends=-DAY)), Part.CERTIFICATE, "has expired"),
        (lambda f, a: f.write(a.issue("b", begins=DAY, ends=2 * DAY)), Part.CERTIFICATE, "not yet valid"),
        (lambda f, a: f.write(a.issue("b", usage=CLIENT_ONLY)), Part.CERTIFICATE, "purpose"),
        (lambda f, a: f.write_ca(a.issue("b").certificate), Part.CLIENT_CA, "no certificate of an authority"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    files: CertificateFiles,
    authority: Authority,
    spoil: Callable[[CertificateFiles, Authority], object],
    part: Part,
    reason: str,
) -> None:
    spoil(files, authority)

    with pytest.raises(IdentityError, match=reason) as caught:
        read_identity(paths(files))

    assert caught.value.part is part
    assert str(caught.value).startswith(str(caught.value.path))
    assert caught.value.path.parent == files.directory


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_nobody_is_asked_for_a_passphrase(
    files: CertificateFiles, pair: Pair, form: serialization.PrivateFormat
) -> None:
    replace(files.private_key, encrypted(pair, form))

    with pytest.raises(IdentityError, match="is encrypted"):
        read_identity(paths(files))


def test_too_many_open_files_are_an_error_like_any_other(files: CertificateFiles) -> None:
    """It happens while the bridge serves, and must not end it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))  # one more: enough to read a file, and no more
    try:
        with pytest.raises(IdentityError, match="Too many open files"):
            read_identity(paths(files))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_key_is_in_no_text(files: CertificateFiles, pair: Pair) -> None:
    identity = read_identity(paths(files))

    assert pair.private_key.splitlines()[1].decode() not in repr(identity)


def test_a_watch_tells_what_is_new_once(files: CertificateFiles) -> None:
    watch = IdentityWatch(paths(files))

    assert [watch.look() is not None for _ in range(3)] == [True, False, False]


def test_a_change_is_believed_at_the_second_look(files: CertificateFiles, authority: Authority) -> None:
    watch, renewed = IdentityWatch(paths(files)), authority.issue("localhost")
    watch.look()

    files.write(renewed)
    first, second = watch.look(), watch.look()

    assert first is None
    assert second is not None
    assert second.certificate == renewed.certificate


def test_certificate_and_key_may_come_one_after_the_other(files: CertificateFiles, authority: Authority) -> None:
    watch, renewed = IdentityWatch(paths(files)), authority.issue("localhost")
    watch.look()

    files.write_key(renewed)
    watch.look()
    with pytest.raises(IdentityError, match="does not belong"):
        watch.look()
    files.write_certificate(renewed)
    watch.look()
    identity = watch.look()

    assert identity is not None
    assert identity.certificate == renewed.certificate


def test_a_swapped_link_on_the_way_is_seen(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    files, renewed = MountedFiles(tmp_path, pair, authority.certificate), authority.issue("localhost")
    watch = IdentityWatch(paths(files))
    watch.look()

    files.swap(renewed, authority.certificate)
    watch.look()
    identity = watch.look()

    assert identity is not None
    assert identity.certificate == renewed.certificate


def test_what_cannot_be_used_is_tried_again(files: CertificateFiles) -> None:
    content = files.certificate.read_bytes()
    watch = IdentityWatch(paths(files))
    watch.look()
    files.certificate.write_bytes(b"")
    watch.look()

    for _ in range(2):
        with pytest.raises(IdentityError):
            watch.look()
    files.certificate.write_bytes(content)
    watch.look()

    assert watch.look() is not None


def test_what_expires_while_nothing_changes_is_noticed(files: CertificateFiles) -> None:
    now = time.time()
    watch = IdentityWatch(paths(files), clock=lambda: now)
    watch.look()
    assert watch.look() is None

    now += 2 * DAY.total_seconds()

    assert watch.look() is not None  # it was tried again; by the clock of OpenSSL it is still good
