from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.config import Address, TlsConfig, XdsConfig
from bridge.config.validation import validate

PAIR: Mapping[str, object] = {"certificate": "/tls/tls.crt", "private_key": "/tls/tls.key"}
VERIFIED: Mapping[str, object] = {**PAIR, "client_ca": "/tls/ca.crt"}


def read(**keys: object) -> tuple[XdsConfig | None, list[str]]:
    """A section, or what is wrong with it."""
    section, problems = validate(XdsConfig, keys)
    return section, [str(problem) for problem in problems]


def test_certificates_and_names_are_read() -> None:
    section, problems = read(tls={**VERIFIED, "allowed_sans": ["spiffe://prod/*", "edge.example.com", "10.0.0.7"]})

    assert problems == []
    assert section
    assert section.tls == TlsConfig(
        certificate=Path("/tls/tls.crt"),
        private_key=Path("/tls/tls.key"),
        client_ca=Path("/tls/ca.crt"),
        allowed_sans=("spiffe://prod/*", "edge.example.com", "10.0.0.7"),
    )


@pytest.mark.parametrize(
    ("keys", "strangers"),
    [
        ({"tls": PAIR}, True),
        ({"tls": VERIFIED}, False),
        ({"insecure": True}, False),
        ({"listen": "127.0.0.1:1", "tls": PAIR}, False),
        ({"listen": "127.0.0.1:1"}, False),
    ],
    ids=["tls", "clients verified", "plain text on purpose", "tls on loopback", "loopback"],
)
def test_beyond_loopback_tls_will_do_and_is_open_to_strangers_without_an_authority(
    keys: Mapping[str, object], strangers: bool
) -> None:
    section, problems = read(**{"listen": "0.0.0.0:18000", **keys})

    assert problems == []
    assert section
    assert section.open_to_strangers is strangers


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"listen": "0.0.0.0:1"}, "xds.listen: 0.0.0.0:1 is reachable from other machines in plain text; add `tls`"),
        ({"tls": {"certificate": "/a"}}, "tls.private_key: is missing"),
        ({"tls": {"private_key": "/a"}}, "tls.certificate: is missing"),
        ({"listen": "0.0.0.0:1", "tls": {"private_key": "/a"}}, "tls.certificate: is missing"),
        ({"tls": {**PAIR, "allowed_sans": ["a"]}}, "tls: allowed_sans needs client_ca"),
        ({"tls": {**VERIFIED, "allowed_sans": []}}, "tls.allowed_sans: "),
        ({"tls": {**VERIFIED, "allowed_sans": [""]}}, "tls.allowed_sans[0]: "),
        ({"tls": {**VERIFIED, "allowed_sans": ["*.example.com"]}}, "tls.allowed_sans[0]: '*.example.com' has a '*'"),
        (
            {"tls": {**VERIFIED, "allowed_sans": ["spiffe:*"]}},
            "tls.allowed_sans[0]: 'spiffe:*' is no DNS name and no IP",
        ),
        ({"tls": {**VERIFIED, "allowed_sans": "a"}}, "tls.allowed_sans: expected a list"),
        ({"tls": VERIFIED, "insecure": True}, "with tls nothing is plain text; take `insecure: true` away"),
    ],
)
def test_what_cannot_work_or_contradicts_itself_is_refused(keys: Mapping[str, object], problem: str) -> None:
    section, problems = read(**keys)

    assert section is None
    assert len(problems) == 1
    assert problem.removeprefix("xds.") in problems[0]


def test_nothing_is_encrypted_unless_it_is_said() -> None:
    assert XdsConfig() == XdsConfig(listen=Address("127.0.0.1", 18000), insecure=False, tls=None)
