"""When a Go program is built anew, and what is known of unpacked packages."""

from pathlib import Path

from scripts import debian, golang


def test_a_program_is_built_anew_when_a_source_or_its_name_changes(tmp_path: Path) -> None:
    source = tmp_path / "main.go"
    source.write_text("package main\n")
    before = golang.digest(tmp_path)

    source.write_text("package main // changed\n")
    changed = golang.digest(tmp_path)
    source.rename(tmp_path / "other.go")
    renamed = golang.digest(tmp_path)

    assert len({before, changed, renamed}) == 3


def test_what_is_no_source_builds_nothing_anew(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text("package main\n")
    before = golang.digest(tmp_path)

    (tmp_path / "README.md").write_text("a program\n")

    assert golang.digest(tmp_path) == before


def test_a_folder_tells_which_packages_are_in_it(tmp_path: Path) -> None:
    (tmp_path / debian.RECORD).write_text("golang-x-net-dev 1:0.61.0-1\nconsul 1.8.7\n")

    assert debian.versions(tmp_path) == {"golang-x-net-dev": "1:0.61.0-1", "consul": "1.8.7"}
    assert debian.versions(tmp_path / "empty") == {}


def test_packages_that_are_there_are_not_fetched(tmp_path: Path) -> None:
    (tmp_path / debian.RECORD).write_text("consul 1.8.7\n")

    # A suite that no mirror has: any download would fail.
    debian.fetch_into(tmp_path, ["consul"], "no-such-suite")

    assert debian.versions(tmp_path) == {"consul": "1.8.7"}
