"""The page of commands says what the commands say."""

import pytest

from scripts import commands


def test_the_page_is_what_the_commands_say() -> None:
    page = commands.PAGE.read_text(encoding="utf-8")

    assert commands.written(page) == page, "write it anew: python -m scripts.commands"


def test_every_command_and_option_has_a_meaning_and_an_example() -> None:
    _, _, written = commands.PAGE.read_text(encoding="utf-8").partition(commands.MARK)
    sections = written.split("\n## ")[1:]

    assert [section.splitlines()[0] for section in sections if "\nExample:\n\n    xds-bridge " not in section] == []
    assert [line for line in written.splitlines() if line.startswith("| ") and line.endswith("|  |")] == []
    assert [f"`{command}`" for command in commands.commands()] == [each.splitlines()[0] for each in sections]


def test_a_page_without_the_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the line"):
        commands.written("# Commands\n")
