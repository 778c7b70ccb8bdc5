import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.installation import PACKAGES, verify

OURS = '"""Ours."""\n\n__distribution__ = "xds-bridge"\n'


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str | None], Path]:
    """Install a package with this source; without any, only a folder that Python takes for a namespace package."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, source: str | None) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "inner.py").write_text("", encoding="utf-8")
        if source is not None:
            (folder / "__init__.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        return folder

    return install


Install = Callable[[str, str | None], Path]


def refusal(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        verify([name])
    return str(caught.value)


def distribute(site: Path, distribution: str, package: str) -> None:
    metadata = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "top_level.txt").write_text(f"{package}\n", encoding="utf-8")


def test_our_packages_pass() -> None:
    verify(PACKAGES)


def test_a_package_that_says_so_is_ours(package: Install) -> None:
    package("ours_one", OURS)

    verify(["ours_one"])


@pytest.mark.parametrize("source", ["", "import torch\n", '__distribution__ = "other"\n', "__distribution__ = 3\n"])
def test_a_foreign_package_is_refused_in_one_line(package: Install, source: str) -> None:
    folder = package("foreign_one", source)

    message = refusal("foreign_one")

    assert "\n" not in message
    assert f"'foreign_one' at {folder / '__init__.py'} is not that of xds-bridge" in message


def test_a_foreign_package_is_not_run(package: Install) -> None:
    package("foreign_two", 'raise SystemExit("foreign code ran")\n')

    refusal("foreign_two")

    assert "foreign_two" not in sys.modules


def test_who_replaced_a_package_is_named(package: Install) -> None:
    folder = package("foreign_three", "")
    distribute(folder.parent, "xds-protos-again", "foreign_three")

    message = refusal("foreign_three")

    assert "xds-protos-again replaced it" in message
    assert "pip uninstall xds-protos-again; pip install --force-reinstall xds-bridge" in message


@pytest.mark.parametrize("name", ["emptied_one", "absent_one"])
def test_what_the_removal_of_a_foreign_package_leaves_is_refused(package: Install, name: str) -> None:
    package("emptied_one", None)

    message = refusal(name)

    assert f"the package {name!r} of xds-bridge is incomplete" in message


def test_the_command_refuses_to_start_beside_a_foreign_package(package: Install, repository: Path) -> None:
    site = package("adapters", "import torch\n").parent
    code = f"import sys; sys.path[:0] = [{str(site)!r}]; from bridge.cli import main; main(['schema'])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=repository)

    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr.startswith("the package 'adapters' at ")
    assert done.stderr.count("\n") == 1
