"""Asking the adapters what their sources have of one thing: all at once, one question at a time, and never for long."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from bridge.adapter import Adapter, Explaining
from bridge.errors import SourceError
from bridge.model import SourceName
from bridge.provenance import Question, Statement

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a source may take to answer; the others' answers do not wait longer for it."""

WAITING = 4
"""Questions that wait for their turn; who comes then is asked to come later."""


class BusyError(Exception):
    """Too many ask already."""


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
        self._asking = 0
        self._bugs: set[SourceName] = set()
        """Sources of whose adapters a bug is in the log already; whoever can read here can ask again and again."""

    async def ask(self, question: Question) -> Mapping[SourceName, Statement | str]:
        """What each source has of what is asked about, or why it does not say.

        Raises:
            BusyError: others wait for their turn already.
        """
        if self._asking > WAITING:
            raise BusyError(f"{self._asking} questions are being answered already; ask again in a moment")
        self._asking += 1
        try:
            async with self._turn:
                return await self._answers(question)
        finally:
            self._asking -= 1

    async def _answers(self, question: Question) -> Mapping[SourceName, Statement | str]:
        adapters = self._adapters()
        answers = await asyncio.gather(
            *(self._asked(adapter, question) for adapter in adapters.values()), return_exceptions=True
        )
        return {name: self._told(name, answer) for name, answer in zip(adapters, answers, strict=True)}

    async def _asked(self, adapter: Adapter, question: Question) -> Statement | str:
        if not isinstance(adapter, Explaining):
            return "its type of source cannot be asked"
        async with asyncio.timeout(self._patience):
            return await adapter.explain(question)

    def _told(self, source: SourceName, answer: Statement | str | BaseException) -> Statement | str:
        """What is said, or in words why nothing is."""
        if not isinstance(answer, BaseException):
            self._bugs.discard(source)
            return answer
        if isinstance(answer, TimeoutError):
            return f"it did not answer within {self._patience:g} s"
        if isinstance(answer, SourceError):
            return str(answer)
        if source not in self._bugs:
            self._bugs.add(source)
            log.error("inquiry.failed", extra={"source": source}, exc_info=answer)
        return f"its adapter has a bug, which the log has in full: {answer!r}"
