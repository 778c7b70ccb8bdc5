"""Why a client is refused: a closed set of reasons for metrics and status codes, and a message for people."""

from enum import StrEnum


class Reason(StrEnum):
    """What a refusal is counted under; each has one status in every protocol that we speak."""

    INVALID_REQUEST = "invalid_request"
    """What was sent cannot be understood."""
    EXCESSIVE_REQUEST = "excessive_request"
    """It asks for more than any client may."""
    NO_VIEW = "no_view"
    """The client is nobody to whom anything is to be shown."""
    STREAMS = "streams"
    """There are as many streams as there may be."""
    STREAMS_PER_CLIENT = "streams_per_client"
    """The client has as many streams as it may have."""
    ACCEPT_RATE = "accept_rate"
    """New streams come faster than they may."""
    REQUEST_SIZE = "request_size"
    """A request is larger than it may be."""
    NAME_NOT_ALLOWED = "name_not_allowed"
    """None of the names in its certificate is on the list of those who may call."""
    NOT_ALLOWED = "not_allowed"
    """The client may not use this service."""
    NOT_READY = "not_ready"
    """There is nothing to serve yet; asking again later will help."""
    STOPPING = "stopping"
    """The server is about to end; another replica will answer."""
    UNREAD = "unread"
    """The client has left large responses unread, which take up memory for as long as it does not hang up."""
    TOO_MANY = "too_many"
    """So many clients use this service already that one more is not served."""


class Refused(Exception):  # noqa: N818 (the name says it: it is the client that has a problem)
    """A client does not get what it asked for. The message is written for whoever operates the client.

    Args:
        reason: what it is counted under.
        message: what was wrong and, where there is something, what to do.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
