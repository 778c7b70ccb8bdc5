import pytest

from bridge.admin.access import foreign, refusal
from bridge.config import AdminConfig


@pytest.mark.parametrize(
    ("listen", "expose", "path", "host", "peer", "reason"),
    [
        ("0.0.0.0:1", "probes", "/api/v1/status", "10.0.0.5", "10.0.0.9", "set admin.expose: all"),
        ("0.0.0.0:1", "probes", "/nothing", "localhost", "10.0.0.9", "set admin.expose: all"),
        ("0.0.0.0:1", "probes", "/", "localhost", "10.0.0.9", "set admin.expose: all"),
        ("0.0.0.0:1", "probes", "/static/page.js", "localhost", "10.0.0.9", "set admin.expose: all"),
        ("0.0.0.0:1", "all", "/services", "bridge.internal", "10.0.0.9", ""),
        ("127.0.0.1:1", "probes", "/", "evil.example", "127.0.0.1", "is not this machine"),
        ("0.0.0.0:1", "probes", "/api/v1/status", "localhost", "", "set admin.expose: all"),
        ("0.0.0.0:1", "probes", "/metrics", "bridge.internal", "10.0.0.9", ""),
        ("0.0.0.0:1", "all", "/api/v1/status", "bridge.internal", "10.0.0.9", ""),
        ("0.0.0.0:1", "probes", "/api/v1/status", "10.0.0.5", "127.0.0.1", ""),
        ("[::]:1", "probes", "/api/v1/status", "localhost", "::1", ""),
        ("[::]:1", "probes", "/api/v1/status", "localhost", "::ffff:127.0.0.1", ""),
        ("[::]:1", "probes", "/api/v1/status", "localhost", "::ffff:10.0.0.9", "set admin.expose: all"),
        ("0.0.0.0:1", "probes", "/api/v1/status", "evil.example", "127.0.0.1", "is not this machine"),
        ("127.0.0.1:1", "all", "/api/v1/status", "evil.example", "127.0.0.1", "is not this machine"),
        ("127.0.0.1:1", "probes", "/metrics", "evil.example", "127.0.0.1", "is not this machine"),
    ],
)
def test_who_asks_decides_what_is_answered(
    listen: str, expose: str, path: str, host: str, peer: str, reason: str
) -> None:
    config = AdminConfig.model_validate({"listen": listen, "expose": expose})

    refused = refusal(config, path, host, peer)

    assert reason in refused
    assert bool(refused) == bool(reason)


@pytest.mark.parametrize(
    ("peers", "path", "answered"),
    [
        (["http://10.0.0.6:1"], "/api/v1/versions", True),
        (["http://10.0.0.6:1"], "/api/v1/versions/views[0]", True),
        (["http://10.0.0.6:1"], "/api/v1/versionsx", False),
        (["http://10.0.0.6:1"], "/api/v1/status", False),
        ([], "/api/v1/versions", False),
        ([], "/api/v1/versions/default", False),
    ],
)
def test_where_there_are_peers_other_machines_may_compare(peers: list[str], path: str, *, answered: bool) -> None:
    config = AdminConfig.model_validate({"listen": "0.0.0.0:1", "peers": peers})

    refused = refusal(config, path, "10.0.0.5", "10.0.0.6")

    assert answered == (not refused)


def test_where_there_are_none_the_refusal_of_versions_says_what_to_do() -> None:
    config = AdminConfig.model_validate({"listen": "0.0.0.0:1"})

    assert "set admin.peers" in refusal(config, "/api/v1/versions", "10.0.0.5", "10.0.0.6")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, False),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, True),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, True),
    ],
)
def test_a_page_of_another_site_does_not_ask_behind_the_scenes(headers: dict[str, str], *, told: bool) -> None:
    assert foreign(headers) is told
