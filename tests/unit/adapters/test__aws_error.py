"""Which permission is missing, by the words in which AWS refuses a call."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from adapters._aws import AwsError, Kind, together
from adapters._aws.error import translated
from bridge.errors import Cause

USER = "User: arn:aws:sts::123456789012:assumed-role/xds-bridge/i-1"
CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"


def refused(code: str, message: str, status: int = 400, operation: str = "DescribeClusters") -> AwsError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translated(ClientError(answer, operation), "ecs", "DescribeClusters", "self/eu-west-1")


@pytest.mark.parametrize(
    ("code", "status", "message", "missing"),
    [
        (
            "AccessDeniedException",
            400,
            f"{USER} is not authorized to perform: ecs:DescribeClusters on resource: {CLUSTER} because no policy",
            (f"ecs:DescribeClusters on {CLUSTER}",),
        ),
        (
            "UnauthorizedOperation",
            403,
            f"You may not. {USER} is not authorized to perform: ec2:DescribeInstances because no policy allows it",
            ("ec2:DescribeInstances",),
        ),
        ("AccessDenied", 403, f"{USER} is not authorized to perform: autoscaling:X", ("autoscaling:X",)),
        ("AccessDeniedException", 400, "", ("ecs:DescribeClusters",)),
        ("403", 403, f"<Message>{USER} is not authorized to perform: ecs:ListTasks</Message>", ("ecs:ListTasks",)),
        ("AuthFailure", 401, "AWS was not able to validate the provided access credentials", ()),
        ("SignatureDoesNotMatch", 403, "Signature expired", ()),
        ("ThrottlingException", 400, "Rate exceeded", ()),
    ],
)
def test_the_permission_is_named(code: str, status: int, message: str, missing: tuple[str, ...]) -> None:
    assert refused(code, message, status).missing == missing


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("UnauthorizedOperation", Cause.DENIED),
        ("ExpiredToken", Cause.DENIED),
        ("RequestLimitExceeded", Cause.THROTTLED),
        ("InternalError", Cause.ERROR),
        ("ClusterNotFoundException", Cause.ERROR),
    ],
)
def test_what_aws_answers_is_counted_by_its_cause(code: str, cause: Cause) -> None:
    assert refused(code, "no").cause is cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ReadTimeoutError(endpoint_url="https://ec2"), Cause.TIMEOUT),
        (ConnectTimeoutError(endpoint_url="https://ec2"), Cause.TIMEOUT),
        (EndpointConnectionError(endpoint_url="https://ec2"), Cause.ERROR),
        (ResponseParserError("half an answer"), Cause.PARTIAL),
    ],
)
def test_what_is_not_answered_is_counted_by_its_cause(error: Exception, cause: Cause) -> None:
    assert translated(error, "ec2", "DescribeInstances", "self/eu-west-1").cause is cause


def test_a_long_name_in_the_message_does_not_hide_the_resource() -> None:
    user = USER + "x" * 400

    found = refused("AccessDeniedException", f"{user} is not authorized to perform: a:B on resource: {CLUSTER} because")

    assert found.missing == (f"a:B on {CLUSTER}",)


def test_a_role_that_may_not_be_assumed_is_what_is_missing() -> None:
    found = refused("AccessDenied", "", 403, operation="AssumeRole")

    assert found.missing == ("sts:AssumeRole",)
    assert "allow sts:AssumeRole to the role of the bridge" in str(found)


@pytest.mark.parametrize("code", ["AuthFailure", "UnrecognizedClientException", "SignatureDoesNotMatch"])
def test_credentials_that_aws_does_not_know_are_soon_tried_again(code: str) -> None:
    found = refused(code, "", 403)

    assert found.kind is Kind.DENIED
    assert found.stale_credentials
    assert found.retry_after is None


@pytest.mark.parametrize("code", ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"])
def test_of_a_queue_that_is_not_there_the_next_step_is_told(code: str) -> None:
    assert "there is no such queue: create it" in str(refused(code, ""))


def test_several_failures_name_all_that_is_missing_once() -> None:
    errors = [AwsError(str(n), Kind.DENIED, missing=missing) for n, missing in enumerate([("b",), (), ("a", "b")])]

    first = together(errors)

    assert str(first) == "0"
    assert first.missing == ("b", "a")
