import pytest

from bridge.admin.page.written import lines
from bridge.redaction import REDACTED


def text(value: object) -> str:
    return "\n".join(lines(value))


def test_a_configuration_is_written_as_yaml() -> None:
    written = {
        "admin": {"listen": "127.0.0.1:19000", "peers": []},
        "sources": [{"name": "a", "on": True}, {"name": "b"}],
    }

    assert text(written) == (
        "admin:\n  listen: 127.0.0.1:19000\n  peers: []\nsources:\n  - name: a\n    on: true\n  - name: b"
    )


@pytest.mark.parametrize(
    "secret",
    [
        {"token": "s3cret"},
        {"acl_token": "s3cret"},
        {"Password": "s3cret"},
        {"client_secret": ["s3cret"]},
        {"credentials": {"user": "anna", "key": "s3cret"}},
        {"headers": {"X-Consul-Token": "s3cret"}},
        {"header": {"key": "authorization", "value": "s3cret"}},
        {"private_key": {"inline_string": "s3cret"}},
        {"external_id": "s3cret"},
        {"url": "http://anna:s3cret@consul:8500/x"},
        {"url": "https://host/path?a=1&api_token=s3cret#x"},
        {"value": "Bearer s3cret"},
        {"url": "https://s3cret@consul:8500"},
        {"url": "http://anna:s3/c@s3cret@consul:8500/x"},
        {"header": {"key": "x-api-key", "raw_value": "s3cret"}},
        {"access_key": "s3cret"},
        {"passphrase": "s3cret"},
        {"private_key": "-----BEGIN KEY-----\ns3cret"},
        {"token": "prefix-${NAME}-s3cret"},
        {"deep": [{"er": [{"token": "s3cret"}]}]},
    ],
)
def test_a_secret_is_left_out(secret: dict[str, object]) -> None:
    shown = text(secret)

    assert "s3cret" not in shown
    assert REDACTED in shown


@pytest.mark.parametrize(
    "plain",
    [
        {"token_file": "/etc/xds-bridge/token"},
        {"private_key": "/etc/tls/tls.key"},
        {"token": "${CONSUL_TOKEN}"},
        {"address": "http://consul:8500"},
        {"match": "payments-*"},
    ],
)
def test_where_a_secret_is_kept_is_no_secret(plain: dict[str, str]) -> None:
    shown = text(plain)

    assert str(*plain.values()) in shown
    assert REDACTED not in shown


@pytest.mark.parametrize("value", ["*", "yes", "a: b", "# c", 'say "x"\nand y', "", " "])
def test_what_yaml_would_read_otherwise_is_quoted(value: str) -> None:
    assert text({"key": value}).startswith('key: "')
