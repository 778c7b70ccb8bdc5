"""The failures that have a meaning of their own; anything else that is raised is a bug."""


class BridgeError(Exception):
    """A failure whose message is written for the operator: what was tried, on what, what happens next."""


class ConfigError(BridgeError):
    """The operator must change something. The daemon does not start, or keeps what it runs with; exit code 78."""


class SourceError(BridgeError):
    """A source cannot be read now. Nothing that is known is lost; the supervisor tries again."""

    def __init__(self, message: str, *, retry_after: float | None = None, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing
        """The permissions that it lacks, by the names that the source's side has for them; empty for other failures."""
        self.retry_after = retry_after
        """Seconds the source asked us to stay away, or None where it said nothing."""
