"""The section `admin`: for the bridge, and for commands that want nothing but to find the bridge."""

from pathlib import Path

import pytest

from bridge import plugins
from bridge.config import Address, AdminConfig, load, load_admin
from bridge.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.yaml"


def test_there_is_no_socket_unless_it_is_asked_for() -> None:
    assert (AdminConfig().socket, AdminConfig().socket_group) == (None, None)


def test_a_group_needs_a_socket(path: Path) -> None:
    path.write_text("admin: {socket_group: ops}\nsources: [{name: a, type: file, path: /x}]\n")

    with pytest.raises(ConfigError, match=r"bridge\.yaml:1:8: admin: socket_group is for the file of `socket`"):
        load(path, {}, plugins.discover())


def test_the_section_is_found_whatever_is_wrong_elsewhere(path: Path) -> None:
    path.write_text(
        "admin: {socket: '${RUN}/admin.sock', listen: '[::]:1'}\nsources: [{name: '${UNSET}'}]\nx: [1, 1]\n"
    )

    admin = load_admin(path, {"RUN": "/run/x"})

    assert (admin.socket, admin.listen) == (Path("/run/x/admin.sock"), Address("::", 1))


@pytest.mark.parametrize("text", ["sources: []\n", "admin: {}\n"])
def test_a_file_that_says_nothing_of_it_has_the_defaults(path: Path, text: str) -> None:
    path.write_text(text)

    assert load_admin(path, {}) == AdminConfig()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("admin: {sokcet: /x}\n", "bridge.yaml:1:9: admin.sokcet: unknown key; did you mean 'socket'?"),
        ("admin: {socket: '${UNSET}/x'}\n", "the environment variable UNSET is not set"),
        ("admin: {socket: admin.sock}\n", "admin.socket: 'admin.sock' is not absolute, and commands run elsewhere"),
        ("admin: [1]\n", "bridge.yaml:1:8: admin: expected a mapping"),
        ("", "the configuration is empty"),
        ("admin: {", "not YAML"),
    ],
)
def test_what_is_wrong_with_it_is_said(path: Path, text: str, problem: str) -> None:
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_admin(path, {})

    assert problem in str(caught.value)
