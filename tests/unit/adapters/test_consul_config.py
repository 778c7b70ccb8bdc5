from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.consul import Config, ConsulAdapter
from adapters.consul.config import Consistency, Mode, tls_context
from bridge.adapter import AdapterType
from bridge.errors import ConfigError

_: AdapterType[Config] = ConsulAdapter


def test_defaults_watch_the_agent_on_this_machine() -> None:
    config = Config()

    assert (config.address, config.mode, config.consistency) == (
        "http://127.0.0.1:8500", Mode.AUTO, Consistency.DEFAULT,
    )  # fmt: skip
    assert (config.max_watches, config.wait) == (64, 55)


def test_old_and_new_process_fit_under_the_agents_limit() -> None:
    """Its limit is 200 by default, and the queries of a dead process count until their wait is over."""
    assert 2 * (Config().max_watches + 20) <= 200


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://consul", "http://consul:80"),
        ("https://consul/", "https://consul:443"),
        ("http://CONSUL:8500", "http://consul:8500"),
        ("http://[::1]:8500", "http://[::1]:8500"),
    ],
)
def test_address_has_one_spelling(written: str, meant: str) -> None:
    assert Config(address=written).address == meant


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "127.0.0.1:8500"},
        {"address": "http://"},
        {"address": "ftp://consul"},
        {"address": "http://consul/v1"},
        {"address": "http://me:secret@consul"},
        {"address": "http://consul:99999"},
        {"wait": "0s"},
        {"wait": "11m"},
        {"wait": 55},
        {"max_watches": 0},
        {"mode": "fast"},
        {"consistency": "cached"},
        {"warning": "drop"},
        {"service_name": "web"},
        {"service_name": "{service}-{x}"},
        {"label_prefix": ""},
        {"services": {"includes": ["*"]}},
        {"tls": {}},
        {"address": "https://consul", "tls": {"certificate": "a.pem"}},
        {"token": "secret"},
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(wrong)


def test_plain_http_has_no_certificates() -> None:
    assert tls_context(Config()) is None


def test_https_verifies_unless_told_otherwise() -> None:
    strict = tls_context(Config(address="https://consul"))
    loose = tls_context(Config.model_validate({"address": "https://consul", "tls": {"verify": False}}))

    assert strict is not None
    assert strict.check_hostname
    assert loose is not None
    assert not loose.check_hostname


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificate_that_cannot_be_used_is_a_config_error(tmp_path: Path, content: str | None) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    config = Config.model_validate({"address": "https://consul", "tls": {"ca": str(ca)}})

    with pytest.raises(ConfigError, match="https://consul:443"):
        ConsulAdapter(config)
