from pathlib import Path

import pytest

from bridge.config import Config, load
from bridge.errors import ConfigError
from bridge.plugins import discover

SOURCES = "sources:\n  - {name: local, type: file, path: /x}\n"
HERE = {"STATE_DIRECTORY": "/var/lib/xds-bridge"}


def read(path: Path, text: str) -> Config:
    path.write_text(SOURCES + text, encoding="utf-8")
    return load(path, HERE, discover())


def test_nothing_is_kept_unless_a_directory_is_named(tmp_path: Path) -> None:
    config = read(tmp_path / "bridge.yaml", "")

    assert config.state_directory is None
    assert config.restore_max_age == 24 * 3600.0


@pytest.mark.parametrize("written", ["/var/lib/xds-bridge", "${STATE_DIRECTORY}"])
def test_a_directory_is_named_by_its_path(tmp_path: Path, written: str) -> None:
    config = read(tmp_path / "bridge.yaml", f"state_directory: {written}\nrestore_max_age: 2h\n")

    assert config.state_directory == Path("/var/lib/xds-bridge")
    assert config.restore_max_age == 7200.0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("state_directory: state", "3:18: state_directory: 'state' is not absolute; write a path such as /var/lib/x"),
        ('state_directory: ""', "3:1: state_directory: '.' is not absolute"),
        ('state_directory: "/\\0"', "3:18: state_directory: '/\\x00' holds the control character"),
        ("state_directory: [/x]", "3:18: state_directory: expected a path, not a list"),
        ("state_directory: ${STATE}", "3:18: state_directory: the environment variable STATE is not set"),
        ("state_directory: /x\nrestore_max_age: 3", "4:18: restore_max_age: a duration is a number with a unit"),
        ("restore_max_age: 1h", "3:1: restore_max_age: without `state_directory` nothing is kept; name one"),
        ("state_dir: /x", "3:1: state_dir: unknown key; did you mean 'state_directory'?"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "bridge.yaml", text + "\n")

    lines = str(caught.value).splitlines()
    assert [told for told in lines if told.startswith(f"{tmp_path}/bridge.yaml:{line}")] == lines[-1:]
