"""The failures that have a meaning of their own; anything else that is raised is a bug."""

from enum import StrEnum


class Cause(StrEnum):
    """What kept a source from being read, as far as its adapter knows: failed reads are counted by it."""

    ERROR = "error"
    """Anything else than what follows."""
    DENIED = "denied"
    """The source does not allow it."""
    THROTTLED = "throttled"
    """The source wants to be asked less often."""
    PARTIAL = "partial"
    """There was an answer, and it was not whole or not to be trusted."""
    TIMEOUT = "timeout"
    """There was no answer in time."""


class BridgeError(Exception):
    """A failure whose message is written for the operator: what was tried, on what, what happens next."""


class ConfigError(BridgeError):
    """The operator must change something. The daemon does not start, or keeps what it runs with; exit code 78."""


class SourceError(BridgeError):
    """A source cannot be read now. Nothing that is known is lost; the supervisor tries again."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        missing: tuple[str, ...] = (),
        cause: Cause = Cause.ERROR,
    ) -> None:
        super().__init__(message)
        self.cause = cause
        self.missing = missing
        """The permissions that it lacks, by the names that the source's side has for them; empty for other failures."""
        self.retry_after = retry_after
        """Seconds the source asked us to stay away, or None where it said nothing."""
