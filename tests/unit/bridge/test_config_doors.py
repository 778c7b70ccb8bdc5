from collections.abc import Callable
from pathlib import Path

import pytest

from bridge import plugins
from bridge.config import Address, XdsConfig, load
from bridge.errors import ConfigError

TLS = "tls: {certificate: /tls.crt, private_key: /tls.key, client_ca: /ca.crt}"

Read = Callable[[str], XdsConfig]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def from_text(xds: str) -> XdsConfig:
        path = tmp_path / "bridge.yaml"
        path.write_text(f"sources: [{{name: local, type: file, path: /x}}]\nxds: {xds}\n")
        return load(path, {}, plugins.discover()).xds

    return from_text


def test_there_is_one_door_unless_more_are_asked_for(read: Read) -> None:
    xds = read("{}")

    assert (xds.socket, xds.rest, xds.csds_allowed_sans) == (None, None, ())


def test_doors_are_where_the_file_says(read: Read) -> None:
    xds = read(
        f"{{socket: /run/xds.sock, rest: {{listen: '127.0.0.1:18001'}}, csds_allowed_sans: ['spiffe://ops/*'], {TLS}}}"
    )

    assert xds.socket == Path("/run/xds.sock")
    assert xds.rest
    assert xds.rest.listen == Address("127.0.0.1", 18001)
    assert xds.csds_allowed_sans == ("spiffe://ops/*",)


def test_polls_from_other_machines_need_a_word_of_consent(read: Read) -> None:
    xds = read("{insecure: true, rest: {listen: '0.0.0.0:1'}}")

    assert xds.rest
    with pytest.raises(ConfigError, match=r"xds\.rest: 0\.0\.0\.0:1 is reachable from other machines in plain text"):
        read("{rest: {listen: '0.0.0.0:1'}}")


def test_polls_over_tls_from_strangers_are_something_to_warn_of(read: Read) -> None:
    verified, strangers = TLS, TLS.replace(", client_ca: /ca.crt", "")

    exposed = [read(f"{{rest: {{listen: '0.0.0.0:1'}}, {tls}}}").open_to_strangers for tls in (verified, strangers)]

    assert exposed == [False, True]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "{rest: {listen: '127.0.0.1:18000'}}",
            "2:22: xds.rest.listen: xds and xds.rest cannot both listen on port 18000",
        ),
        (
            "{rest: {listen: '127.0.0.1:19000'}}",
            "2:22: xds.rest.listen: xds.rest and admin cannot both listen on port 19000",
        ),
        (
            "{csds_allowed_sans: [a]}",
            "2:6: xds: csds_allowed_sans needs tls.client_ca: a name counts only when an authority vouches for it",
        ),
        ("{rest: {}}", "2:13: xds.rest.listen: is missing"),
    ],
)
def test_a_mistake_is_named_with_its_place(read: Read, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)

    assert str(caught.value).partition(":")[2] == problem
