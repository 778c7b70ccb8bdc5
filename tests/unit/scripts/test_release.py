"""What tells a release from any other commit, and what goes with it."""

import json
import re
from pathlib import Path

import pytest

from scripts import release
from scripts.environment import LOCKS
from scripts.step import StepError

TOP = "# Changelog\n\nWhat an operator can notice.\n\n"


def test_a_changelog_that_begins_with_the_version_and_its_day_is_that_of_a_release() -> None:
    release.require_changes(f"{TOP}## 1.2.0 - 2026-11-27\n\n### Added\n\n## 1.1.0 - 2026-10-01\n", "1.2.0")


@pytest.mark.parametrize(
    ("changelog", "found"),
    [
        (f"{TOP}## Unreleased\n\n## 1.2.0 - 2026-11-27\n", "'## Unreleased'"),
        (f"{TOP}## 1.1.0 - 2026-10-01\n", "'## 1.1.0 - 2026-10-01'"),
        (f"{TOP}## 1.2.0\n", "'## 1.2.0'"),
        (TOP, "nothing"),
    ],
    ids=["something newer", "not told of", "without a day", "empty"],
)
def test_any_other_is_refused_with_what_should_be_there(changelog: str, found: str) -> None:
    with pytest.raises(StepError, match=rf"begins with {re.escape(found)}, where '## 1.2.0 - YEAR-MONTH-DAY'"):
        release.require_changes(changelog, "1.2.0")


def test_the_sums_are_those_that_sha256sum_reads(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"wheel")
    release.write_sums(tmp_path)
    release.write_sums(tmp_path)  # its own file is not among them

    digest = "ba59926159d2aa256eb8739b8da7e2b574b960e1202c6d624cbe981cef996c91"
    assert (tmp_path / "SHA256SUMS").read_text() == f"{digest}  a.whl\n"


def test_the_list_of_parts_has_each_package_that_is_installed_with_its_hashes(tmp_path: Path) -> None:
    file = tmp_path / "parts.json"

    release.list_parts(file)

    parts = json.loads(file.read_text())
    locked = set(re.findall(r"^([a-z0-9-]+)==(\S+)", (LOCKS / "install.lock").read_text(), re.MULTILINE))
    assert {(part["name"], part["version"]) for part in parts["components"]} == locked
    assert all(part["externalReferences"][0]["hashes"] for part in parts["components"])
    assert (parts["metadata"]["component"]["name"], parts["metadata"]["component"]["version"]) == (
        "xds-bridge",
        release.version(),
    )
