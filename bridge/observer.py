"""What the supervisor tells about the sources, to whoever wants to know: metrics count it, readiness waits for it.

Apart from the supervisor so that its observers need not know how sources are run.
"""

from bridge.errors import Cause
from bridge.model import SourceName
from bridge.poll import Poll


class SourceObserver:
    """Is told what happens to the sources. Called on the event loop; must not block and must not fail.

    A class and no Protocol: most observers want one event of the eight, and inherit "does nothing" for the others.
    Wherever a `reading` is named, it is the `supervise` name of the read; empty for the adapter's own `run`.
    """

    def started(self, source: SourceName) -> None:
        """The source is about to be run for the first time, or anew because its configuration has changed."""

    def ended(self, source: SourceName) -> None:
        """The source is not run any more, and is forgotten."""

    def succeeded(self, source: SourceName, reading: str) -> None:
        """A read succeeded, also when it found nothing new. An empty `reading` ends a complete pass of the source."""

    def failed(self, source: SourceName, reading: str, error: str, cause: Cause = Cause.ERROR) -> None:
        """A read failed with a `SourceError`, whose text is `error`; it will be tried again."""

    def crashed(self, source: SourceName, reading: str) -> None:
        """A bug in the adapter ended a read; it will be tried again like a failure."""

    def recovered(self, source: SourceName) -> None:
        """Something had failed, and now nothing does."""

    def requested(self, source: SourceName, operation: str, code: str, duration: float) -> None:
        """The adapter made one API call that took `duration` seconds."""

    def polled(self, source: SourceName, poll: Poll) -> None:
        """A read that polls tells what its last pass has cost, or when it is read again."""
