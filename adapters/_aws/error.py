"""What can go wrong with a call, in our words: every failure of the SDK, of AWS and of the network, translated once."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 (the SDK's, which no OSError is)
    HTTPClientError,
    LoginError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)
from botocore.parsers import ResponseParserError

from bridge.errors import Cause, SourceError

FAILURES: tuple[type[Exception], ...] = (BotoCoreError, ClientError, ResponseParserError, OSError)
"""All that a call can raise; anything else is a bug of ours."""

INCOMPLETE = "IncompleteAnswer"
"""The code of an answer that lacks what it must have."""

_SLOW_RETRY = 60.0
"""Seconds until a call is tried again that only a person can make work."""

_SHOWN = 300


class StaleCredentialsError(BotoCoreError):  # type: ignore[misc]  # botocore ships no types
    """Credentials that were asked for anew and are over all the same, by the clock of this machine."""

    fmt = "{said}"


class Kind(StrEnum):
    """What kind of failure it is, which decides what happens next."""

    DENIED = "denied"
    """The credentials may not do this, or there are none: somebody has to act, other places go on."""
    EXPIRED = "expired"
    """The credentials are out of date, also after they were asked for anew."""
    THROTTLED = "throttled"
    """The account's bucket is empty, also after the SDK's retries: ask less often."""
    PARTIAL = "partial"
    """Status 200 with something that is no answer, or not all of one."""
    UNAVAILABLE = "unavailable"
    """AWS answered that it cannot answer (5xx, or a code that means as much), also after the SDK's retries."""
    UNREACHABLE = "unreachable"
    """There was no answer."""
    REJECTED = "rejected"
    """AWS says that the request itself is wrong; `code` says how (`ClusterNotFoundException`)."""


class AwsError(SourceError):
    """A call failed, or its answer cannot be used. Nothing that is known is lost."""

    def __init__(
        self,
        message: str,
        kind: Kind,
        code: str = "",
        *,
        retry_after: float | None = None,
        missing: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, retry_after=retry_after, missing=missing, cause=_cause(kind, code))
        self.kind = kind
        self.code = code
        """AWS's own code, or the name of the SDK's exception."""

    @property
    def stale_credentials(self) -> bool:
        """Whether looking for credentials anew may help."""
        return self.kind is Kind.EXPIRED or self.code == NoCredentialsError.__name__ or _unknown(self.code)


DEADLINE = "PassDeadline"
"""The code of a pass that took too long."""

_CAUSES: Mapping[Kind, Cause] = MappingProxyType(
    {
        Kind.DENIED: Cause.DENIED,
        Kind.EXPIRED: Cause.DENIED,
        Kind.THROTTLED: Cause.THROTTLED,
        Kind.PARTIAL: Cause.PARTIAL,
    }
)

_DENIED = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "AuthFailure", "Blocked", "InvalidClientTokenId",
        "InvalidSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
        "NotAuthorized", "OptInRequired", "PendingVerification", "SignatureDoesNotMatch", "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)  # fmt: skip
_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})
"""Those of them that mean that a policy does not allow it: the credentials themselves are good."""
_NAMED = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)(?: on resource: (\S+))?")
"""How AWS names what is missing, where it does
(https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html)."""
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
        "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown", "ThrottledException",
        "Throttling", "ThrottlingException", "TooManyRequestsException",
    }
)  # fmt: skip
_UNAVAILABLE = frozenset(
    {"InternalError", "InternalFailure", "InternalServerError", "ServerException", "ServiceUnavailable", "Unavailable"}
)
"""Codes of failures on AWS's side, whatever the status is that a proxy or an endpoint sends them with."""

_SKEW = ("Signature", "RequestExpired", "AuthFailure", StaleCredentialsError.__name__)
"""Codes of what a clock that is minutes off may lead to."""

_UNKNOWN = ("Signature", "AuthFailure", "ClientTokenId", "UnrecognizedClient")
"""What the codes have in them with which AWS says that it does not know the credentials."""

_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, ProfileNotFound, SSOError, LoginError)

_BY_EXCEPTION: tuple[tuple[tuple[type[Exception], ...], Kind], ...] = (
    ((ResponseParserError,), Kind.PARTIAL),
    ((ParamValidationError,), Kind.REJECTED),
    (_NO_CREDENTIALS, Kind.DENIED),
    ((StaleCredentialsError,), Kind.EXPIRED),
)
"""What the SDK raises, other than an error that AWS answered; all else is that nothing answered."""

_UNANSWERED = (ConnectionError, HTTPClientError, TimeoutError)

_NO_QUEUE = ("QueueDoesNotExist", "NonExistentQueue")
"""What the codes end with when there is no such queue: in JSON, and in the older protocol."""

_NEXT: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.EXPIRED: "the credentials have expired, those that the SDK found anew too",
        Kind.THROTTLED: "the account is asked less often for a while",
        Kind.PARTIAL: "that is no answer of AWS's, so nothing changes; is there a proxy in between?",
        Kind.UNAVAILABLE: "what is known stays until AWS answers again",
        Kind.UNREACHABLE: "is there a way from here to the endpoint (NAT, VPC endpoint, security group)?",
        Kind.REJECTED: "AWS does not accept the request; compare it with the configuration",
    }
)


def translated(error: Exception, service: str, operation: str, place: object, action: str = "") -> AwsError:
    """One of `FAILURES` as an `AwsError`.

    Args:
        error: what the SDK raised.
        service: such as `ec2`.
        operation: such as `DescribeInstances`.
        place: account and region, for the message.
        action: what a policy calls the operation; empty where it is called the same.
    """
    action = action or f"{service}:{operation}"
    kind, code, text = _judged(error)
    advice = _NEXT.get(kind) or f"allow {action} to the role of the bridge"
    if code.endswith(_NO_QUEUE):
        advice = (
            "there is no such queue: create it, with the rule that sends events to it, or correct the URL in"
            " `events.queue`; until then changes are seen by passes alone"
        )
    if _unknown(code):
        advice = f"are the credentials right and active? If they are, {advice}"
    if any(part in code for part in _SKEW):
        advice += "; is the clock of this machine right?"
    if isinstance(error, _NO_CREDENTIALS):
        advice = "give the bridge a role, or credentials in the places that the AWS SDK looks at"
    elif isinstance(error, ClientError) and error.operation_name != operation:
        advice = f"it is {error.operation_name} that failed, before {operation}; {advice}".replace(
            action, f"sts:{error.operation_name}"
        )
        action = f"sts:{error.operation_name}"
    message = f"{service} {operation} in {place} failed ({code}): {text}; {advice}"
    slow = kind in (Kind.DENIED, Kind.REJECTED) and not _unknown(code)  # other credentials may be there any moment
    missing = _missing(str(error), code, action) if kind is Kind.DENIED else ()
    return AwsError(message, kind, code, retry_after=_SLOW_RETRY if slow else None, missing=missing)


def together(errors: Sequence[AwsError]) -> AwsError:
    """The first of several failures, with the permissions that all of them lack."""
    first = errors[0]
    first.missing = tuple(dict.fromkeys(missing for error in errors for missing in error.missing))
    return first


def counted_retries(answer: Mapping[str, object]) -> int:
    """How often the SDK tried again before AWS gave an answer, or an error."""
    metadata = answer.get("ResponseMetadata")
    count = metadata.get("RetryAttempts", 0) if isinstance(metadata, dict) else 0
    return count if isinstance(count, int) else 0


def retries(error: Exception, attempts: int) -> int:
    """How often the SDK tried again before a call failed; where nothing counted, as often as it may.

    Args:
        error: one of `FAILURES`.
        attempts: the most tries for one call.
    """
    if isinstance(error, ClientError):
        return counted_retries(error.response)
    return attempts - 1 if isinstance(error, _UNANSWERED) else 0


def incomplete(service: str, operation: str, place: object, what: str) -> AwsError:
    """An answer with status 200 that is not what was asked for."""
    advice = _NEXT[Kind.PARTIAL]
    return AwsError(f"{service} {operation} in {place} was answered with {what}; {advice}", Kind.PARTIAL, INCOMPLETE)


def _cause(kind: Kind, code: str) -> Cause:
    if kind is Kind.UNREACHABLE and (code == DEADLINE or "Timeout" in code):
        return Cause.TIMEOUT
    return _CAUSES.get(kind, Cause.ERROR)


def _unknown(code: str) -> bool:
    """Whether AWS does not know the credentials, which may have been replaced."""
    return any(part in code for part in _UNKNOWN)


def _missing(text: str, code: str, action: str) -> tuple[str, ...]:
    """The permission that is missing, with its resource where AWS says which; none where it is something else."""
    found = _NAMED.search(text)
    if not found:
        return (action,) if code in _FORBIDDEN else ()
    return (f"{found[1]} on {found[2]}" if found[2] else found[1],)


def _judged(error: Exception) -> tuple[Kind, str, str]:
    name, text = type(error).__name__, " ".join(str(error).split())[:_SHOWN]
    if isinstance(error, ClientError):
        return _answered(error)
    kind = next((kind for kinds, kind in _BY_EXCEPTION if isinstance(error, kinds)), Kind.UNREACHABLE)
    return kind, name, text or "no answer in time"


def _answered(error: ClientError) -> tuple[Kind, str, str]:
    answer: Mapping[str, Mapping[str, object]] = error.response
    code = str(answer.get("Error", {}).get("Code", ""))[:100]
    text = " ".join(str(answer.get("Error", {}).get("Message", "")).split())[:_SHOWN] or "without a reason"
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in _EXPIRED:
        return Kind.EXPIRED, code, text
    if code in _DENIED or status in (401, 403):
        return Kind.DENIED, code, text
    if code in _THROTTLED or status == 429:
        return Kind.THROTTLED, code, text
    if code in _UNAVAILABLE or (isinstance(status, int) and status >= 500):
        return Kind.UNAVAILABLE, code, text
    return Kind.REJECTED, code, text
