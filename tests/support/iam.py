"""IAM as it judges calls by a policy: actions, resources and conditions, of which moto knows the actions only.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import cast

from support.aws import CannedAws, Handler, Request, error, json_error
from support.ecs import ACCOUNT
from support.fault_proxy import Response

Document = Mapping[str, object]

_USER = f"arn:aws:sts::{ACCOUNT}:assumed-role/bridge/i-1"
_OF_CLUSTERS = {"ListTasks", "DescribeTasks", "DescribeContainerInstances"}


@dataclass(frozen=True)
class Call:
    """A call as IAM sees it."""

    action: str
    resource: str
    context: Mapping[str, str]
    """Values of condition keys."""


def statements(policy: Document) -> list[Mapping[str, object]]:
    return cast("list[Mapping[str, object]]", policy["Statement"])


def actions(policy: Document) -> set[str]:
    """Every action that a policy names."""
    return {action for statement in statements(policy) for action in listed(statement["Action"])}


def without(policy: Document, action: str) -> Document:
    """The same policy, without an action."""
    left = [{**each, "Action": [name for name in listed(each["Action"]) if name != action]}
            for each in statements(policy)]  # fmt: skip
    return {**policy, "Statement": [each for each in left if each["Action"]]}


def listed(value: object) -> list[str]:
    return [value] if isinstance(value, str) else cast("list[str]", value)


def allows(policy: Document, call: Call) -> bool:
    """Whether a statement of the policy allows a call; none of ours denies anything."""
    return any(_allows(statement, call) for statement in statements(policy))


def _allows(statement: Mapping[str, object], call: Call) -> bool:
    assert statement["Effect"] == "Allow"
    conditions = cast("Mapping[str, Mapping[str, object]]", statement.get("Condition", {}))
    return (
        call.action in listed(statement["Action"])
        and any(_matches(pattern, call.resource) for pattern in listed(statement["Resource"]))
        and all(
            key in call.context and any(_TESTS[test](value, call.context[key]) for value in listed(values))
            for test, keys in conditions.items()
            for key, values in keys.items()
        )
    )


def _matches(pattern: str, value: str) -> bool:
    return pattern == "*" or _arn_like(pattern, value)


def _arn_like(pattern: str, value: str) -> bool:
    """Part by part: a `*` reaches over no colon."""
    parts, found = pattern.split(":", 5), value.split(":", 5)
    return len(parts) == len(found) == 6 and all(map(fnmatchcase, found, parts))


def _equal(pattern: str, value: str) -> bool:
    return pattern == value


_TESTS = {"StringEquals": _equal, "ArnLike": _arn_like, "ArnEquals": _arn_like}


def enforce(aws: CannedAws, policy: Document, operations: tuple[str, ...]) -> None:
    """Have these operations of a server refused from now on as AWS refuses what a policy does not allow."""

    def guarded(operation: str, handler: Handler) -> Handler:
        def answer(request: Request) -> Response:
            call = judged(request)
            if not allows(policy, call):
                return _denied(request, call)
            answered = handler(request)
            assert isinstance(answered, Response)
            return answered

        return answer

    for operation in operations:
        aws.on(operation, guarded(operation, aws.handler(operation)))


def judged(request: Request) -> Call:
    """A call as AWS puts it before IAM: its service and region are those that it is signed for."""
    scope = re.search(r"Credential=[^/]+/[0-9]+/([^/]+)/([^/]+)/", request.headers["authorization"])
    assert scope
    region, service = scope.groups()
    context = {"aws:RequestedRegion": region}
    resource = "*"
    if service == "ecs" and request.operation in _OF_CLUSTERS:
        context["ecs:cluster"] = _cluster(json.loads(request.body)["cluster"], region)
        resource = f"arn:aws:ecs:{region}:{ACCOUNT}:task/one"
    if request.operation == "DescribeClusters":
        (named,) = json.loads(request.body)["clusters"]
        resource = _cluster(named, region)
    return Call(f"{service}:{request.operation}", resource, context)


def _cluster(named: str, region: str) -> str:
    return named if ":" in named else f"arn:aws:ecs:{region}:{ACCOUNT}:cluster/{named}"


def _denied(request: Request, call: Call) -> Response:
    on = "" if call.resource == "*" else f" on resource: {call.resource}"
    because = f"because no identity-based policy allows the {call.action} action"
    message = f"User: {_USER} is not authorized to perform: {call.action}{on} {because}"
    if not request.parameters:
        return json_error(400, "AccessDeniedException", message)
    if call.action.startswith("ec2:"):
        return error(403, "UnauthorizedOperation", f"You are not authorized to perform this operation. {message}")
    xml = f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Response(403, (("Content-Type", "text/xml"),), xml.encode())
