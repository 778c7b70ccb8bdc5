"""What the demo says to the person in front of it."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table


class Screen:
    """A terminal, or a file where there is none; colours and the spinner are rich's to leave out."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Show that something is going on, and how long it took once it is done."""
        started = time.monotonic()
        with self._console.status(f"{what} …"):
            yield
        self.done(what, time.monotonic() - started)

    def done(self, what: str, seconds: float | None = None) -> None:
        """Say that something is done or was observed, and after how many seconds."""
        took = "" if seconds is None else f"  [dim]{duration(seconds)}[/dim]"
        self._say(f"[green]✓[/green] {what}{took}")

    def failed(self, why: str) -> None:
        """Say what went wrong."""
        self._console.print("✗", why, style="red", markup=False, highlight=False, soft_wrap=True)

    def warn(self, what: str) -> None:
        """Say what is wrong and hinders nothing else."""
        self._console.print("!", what, style="yellow", markup=False, highlight=False, soft_wrap=True)

    def tell(self, text: str) -> None:
        """Say something in a line of its own."""
        self._say(text)

    def place(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Show what runs where.

        Args:
            rows: its name, its address, and what is to be found there.
        """
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("what runs", "where", ""):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._console.print()
        self._console.print(table)

    def suggest(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show what to try: an aim and the command for it, whole in a line of its own, so that it can be copied."""
        self._say("\n[bold]try this in another terminal[/bold]")
        for aim, command in rows:
            if aim:
                self._say(f"  [dim]# {aim}[/dim]")
            self._console.print(" ", command, markup=False, highlight=False, soft_wrap=True)

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """A duration as a person reads it: `12 ms`, `1.4 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def shown(path: Path) -> str:
    """A path as it is shortest to type from here."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
