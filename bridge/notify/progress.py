"""Proof that the bridge moves: the event loop runs this, and no change waits forever to be served."""

from typing import Protocol


class Pipeline(Protocol):
    """What turns changes into what Envoys are served (`Reconciler`)."""

    @property
    def waiting(self) -> bool:
        """Whether a change that could be served is not."""

    @property
    def publications(self) -> int:
        """How often everything that waited was brought out."""


class Progress:
    """Sees whether a pipeline is stuck, when it is asked again and again.

    Args:
        pipeline: what should move.
        limit: seconds that changes may wait without a publication; far beyond what the largest one takes.
    """

    def __init__(self, pipeline: Pipeline, limit: float) -> None:
        self._pipeline = pipeline
        self._limit = limit
        self._publications = -1
        self._since = 0.0

    def stuck(self, now: float) -> bool:
        """Whether changes have waited for too long, although it was asked meanwhile.

        Args:
            now: monotonic time in seconds.
        """
        if not self._pipeline.waiting or self._pipeline.publications != self._publications:
            self._publications, self._since = self._pipeline.publications, now
        return now - self._since > self._limit
