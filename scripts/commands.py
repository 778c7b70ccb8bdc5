"""Writes the part of `docs/commands.md` that `xds-bridge --help` says: `python -m scripts.commands`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from bridge.cli import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"

MARK = "<!-- What follows is written by `python -m scripts.commands`, of what `--help` says. -->\n"

_EXAMPLE = "Example: "
_WIDTH = 1000
"""Characters of a line: enough for nothing to be broken."""


def written(page: str) -> str:
    """The page with everything below the mark as the commands are now.

    Raises:
        ValueError: the page has no mark.
    """
    head, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE} lacks the line {MARK!r}")
    return head + MARK + "".join(text for leaf, context in _leaves() for text in _section(leaf, context))


def commands() -> list[str]:
    """Every command that can be typed, such as `xds-bridge guard list`."""
    return [context.command_path for _, context in _leaves()]


def _leaves() -> Iterator[tuple[TyperCommand, typer.Context]]:
    root = cast("TyperGroup", get_command(app))
    return _below(root, typer.Context(root, info_name="xds-bridge", terminal_width=_WIDTH))


def _below(group: TyperGroup, context: typer.Context) -> Iterator[tuple[TyperCommand, typer.Context]]:
    for name in sorted(group.list_commands(context)):
        command = cast("TyperCommand | TyperGroup", group.get_command(context, name))
        inner = typer.Context(command, info_name=name, parent=context, terminal_width=_WIDTH)
        if isinstance(command, TyperGroup):
            yield from _below(command, inner)
        else:
            yield command, inner


def _section(command: TyperCommand, context: typer.Context) -> Iterator[str]:
    yield f"\n## `{context.command_path}`\n"
    yield f"\n{_paragraphs(command.help or '')}\n"
    usage = " ".join(command.get_usage(context).split()).removeprefix("Usage: ")
    yield f"\nUsage: `{usage}`\n"
    if rows := list(_rows(command, context)):
        yield "\n| argument or option | meaning |\n|---|---|\n"
        yield from rows
    if command.epilog:
        yield f"\nExample:\n\n    {command.epilog.removeprefix(_EXAMPLE)}\n"


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _rows(command: TyperCommand, context: typer.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and "--help" not in parameter.opts:
            form, meaning = (" ".join(text.split()).replace("|", "\\|") for text in record)
            yield f"| `{form}` | {meaning} |\n"


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(PAGE.parent.parent)}: {len(commands())} commands", file=sys.stderr)


if __name__ == "__main__":
    main()
