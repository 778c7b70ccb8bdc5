import logging
from dataclasses import replace
from pathlib import Path

import pytest

from bridge import tls
from bridge.config import TlsConfig
from bridge.errors import ConfigError
from support.certificates import Authority, CertificateFiles
from xds import IdentityError, read_identity


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    authority = Authority()
    return CertificateFiles(tmp_path, authority.issue("localhost"), authority.certificate)


@pytest.fixture
def config(files: CertificateFiles) -> TlsConfig:
    return TlsConfig(certificate=files.certificate, private_key=files.private_key, client_ca=files.ca)


def test_what_is_configured_is_read(config: TlsConfig, files: CertificateFiles) -> None:
    identity = tls.read(config)

    assert identity.certificate == files.certificate.read_bytes()
    assert identity.client_ca == files.ca.read_bytes()


def test_a_bad_file_is_a_mistake_at_the_key_that_names_it(config: TlsConfig, files: CertificateFiles) -> None:
    files.private_key.unlink()

    with pytest.raises(ConfigError) as caught:
        tls.read(config)

    assert str(caught.value).startswith(f"xds.tls.private_key: {files.private_key} cannot be read (No such file")


def test_the_log_says_until_when_and_never_what_is_in_a_key(
    config: TlsConfig, files: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    identity = tls.read(config)
    files.write_certificate(Authority().issue("localhost"))

    tls.TlsLog().loaded(identity)
    with pytest.raises(IdentityError) as caught:
        read_identity(tls.files(config))
    tls.TlsLog().rejected(caught.value)

    loaded, rejected = caplog.records
    assert (loaded.levelname, loaded.getMessage()) == ("INFO", "tls.loaded")
    assert (rejected.levelname, rejected.getMessage()) == ("WARNING", "tls.rejected")
    assert vars(rejected)["path"] == str(files.private_key)
    key_text = files.private_key.read_text().splitlines()[1]
    assert all(key_text not in str(vars(record)) for record in caplog.records)


def test_it_is_known_for_how_long_each_file_is_valid_and_why_another_cannot_be_used(
    config: TlsConfig, files: CertificateFiles
) -> None:
    identity = tls.read(config)
    files.private_key.unlink()
    with pytest.raises(IdentityError) as caught:
        read_identity(tls.files(config))

    both = {"certificate": identity.validity, "client_ca": identity.client_ca_validity}
    assert tls.validities(identity) == both
    assert tls.validities(replace(identity, client_ca_validity=None)) == {"certificate": identity.validity}
    assert tls.validities(None) == {}
    assert tls.told(caught.value).startswith(f"xds.tls.private_key: {files.private_key} cannot be read (No such file")
