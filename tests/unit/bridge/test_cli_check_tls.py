"""What `check` says of certificates."""

import json
from pathlib import Path

import pytest

from bridge.cli import main
from support.certificates import Authority, CertificateFiles


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    authority = Authority()
    return CertificateFiles(tmp_path / "tls", authority.issue("localhost"), authority.certificate)


def check(files: CertificateFiles, listen: str, **tls: object) -> int:
    """Run `check` on a configuration with TLS; returns its exit code."""
    path = files.directory.parent / "bridge.yaml"
    pair = {"certificate": str(files.certificate), "private_key": str(files.private_key)}
    source = {"name": "local", "type": "file", "path": "/endpoints.yaml"}
    path.write_text(json.dumps({"xds": {"listen": listen, "tls": {**pair, **tls}}, "sources": [source]}))
    with pytest.raises(SystemExit) as caught:
        main(["check", "--config", str(path)])
    return int(caught.value.code or 0)


def test_certificates_and_names_are_told(files: CertificateFiles, capsys: pytest.CaptureFixture[str]) -> None:
    code = check(files, "0.0.0.0:18000", client_ca=str(files.ca), allowed_sans=["spiffe://prod/*"])

    said = capsys.readouterr().out
    assert code == 0
    assert "clients need a certificate with one of the names spiffe://prod/*" in said
    assert "warning" not in said


def test_a_port_that_is_open_to_strangers_is_warned_of(
    files: CertificateFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    code = check(files, "0.0.0.0:18000")

    assert code == 0
    assert "warning: 0.0.0.0:18000 is reachable from other machines; set xds.tls.client_ca" in capsys.readouterr().out


def test_a_file_that_cannot_be_used_is_a_wrong_configuration(
    files: CertificateFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    files.certificate.write_bytes(b"garbage")

    code = check(files, "127.0.0.1:18000")

    captured = capsys.readouterr()
    assert code == 78
    assert captured.out == ""
    assert f"xds.tls.certificate: {files.certificate} holds no certificate in PEM form" in captured.err
