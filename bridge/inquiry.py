"""Asking the adapters what their sources have of one thing: all at once, one question at a time, and never for long."""

import asyncio
from collections.abc import Callable, Mapping

from bridge.adapter import Adapter, Explaining
from bridge.model import SourceName
from bridge.provenance import Question, Statement

PATIENCE = 5.0
"""Seconds that a source may take to answer; the others' answers do not wait longer for it."""


class Inquiry:
    """Passes questions on to the adapters. A source that cannot tell answers with the reason, as text."""

    def __init__(self, adapters: Callable[[], Mapping[SourceName, Adapter]], patience: float = PATIENCE) -> None:
        """Ask nothing yet.

        Args:
            adapters: what reads each source now.
            patience: seconds that a source may take.
        """
        self._adapters = adapters
        self._patience = patience
        # One question at a time: it may cost requests to a source, and whoever can read here can ask.
        self._turn = asyncio.Lock()

    async def ask(self, question: Question) -> Mapping[SourceName, Statement | str]:
        """What each source has of what is asked about, or why it does not say."""
        async with self._turn:
            able = {name: adapter for name, adapter in self._adapters().items() if isinstance(adapter, Explaining)}
            # Not in a group: what one of them does wrong is for its own answer to say. All have ended on return.
            tasks = {name: asyncio.create_task(adapter.explain(question)) for name, adapter in able.items()}
            try:
                if tasks:
                    await asyncio.wait(tasks.values(), timeout=self._patience)
            finally:
                for task in tasks.values():
                    task.cancel()
                await asyncio.gather(*tasks.values(), return_exceptions=True)
            return {name: self._answer(tasks.get(name)) for name in self._adapters()}

    def _answer(self, task: "asyncio.Task[Statement] | None") -> Statement | str:
        if task is None:
            return "its type of source cannot be asked"
        if task.cancelled():
            return f"it did not answer within {self._patience:g} s"
        error = task.exception()
        return task.result() if error is None else str(error) or repr(error)
