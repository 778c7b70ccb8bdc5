"""A stand-in for Terraform's AWS provider: its schema, and no AWS behind it.

Resources get made-up ARNs already in the plan, so that policies can be looked at there; policy documents are written as
the real one does. What it cannot tell: values that AWS would refuse.

Run in the environment of `requirements/terraform.lock`: `python provider.py SCHEMA` prints what
`TF_REATTACH_PROVIDERS` has to be, and serves until it is ended.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import grpc
import msgpack
from tf.gen import grpc_controller_pb2, grpc_controller_pb2_grpc, grpc_stdio_pb2_grpc, tfplugin_pb2, tfplugin_pb2_grpc

Block = Mapping[str, Any]
Values = dict[str, Any]

UNKNOWN = msgpack.ExtType(0, b"\x00")
"""A value that is known after apply; Terraform's own sign (https://developer.hashicorp.com/terraform/plugin)."""

ACCOUNT, REGION = "123456789012", "eu-west-1"
KNOWN: Mapping[str, Values] = {
    "aws_caller_identity": {"account_id": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "user_id": "root"},
    "aws_partition": {"partition": "aws", "dns_suffix": "amazonaws.com", "reverse_dns_prefix": "com.amazonaws"},
    "aws_region": {"id": REGION},
}
ALSO_COMPUTED = frozenset({"id", "arn", "name", "name_prefix", "region", "tags_all"})
"""Given by the provider where nobody does; the package that the schema comes from does not tell."""

_NESTING = {
    "list": tfplugin_pb2.Schema.NestedBlock.LIST,
    "set": tfplugin_pb2.Schema.NestedBlock.SET,
    "struct": tfplugin_pb2.Schema.NestedBlock.SINGLE,
}


class Change(Protocol):
    """What is planned, as much of it as it takes."""

    type_name: str
    proposed_new_state: tfplugin_pb2.DynamicValue


class Question(Protocol):
    """What is asked of a data source."""

    type_name: str
    config: tfplugin_pb2.DynamicValue


def block(described: Block) -> tfplugin_pb2.Schema.Block:
    """One level of a schema, in the protocol's terms."""
    result = tfplugin_pb2.Schema.Block(version=0)
    for name, attribute in sorted(described["attributes"].items()):
        required = bool(attribute.get("required"))
        result.attributes.append(
            tfplugin_pb2.Schema.Attribute(
                name=name,
                type=json.dumps(attribute["type"]).encode(),
                required=required,
                optional=not required and not attribute.get("computed"),
                computed=is_computed(name, attribute),
            )
        )
    for name, inner in sorted(described["blocks"].items()):
        nesting = _NESTING[inner["nesting"]]
        least = 1 if inner["required"] and inner["nesting"] != "struct" else 0
        nested = tfplugin_pb2.Schema.NestedBlock(type_name=name, nesting=nesting, block=block(inner), min_items=least)
        result.block_types.append(nested)
    return result


def is_computed(name: str, attribute: Block) -> bool:
    """Whether the provider gives an attribute where nobody does."""
    return bool(attribute.get("computed")) or (not attribute.get("required") and name in ALSO_COMPUTED)


def written(values: Values | None) -> tfplugin_pb2.DynamicValue:
    return tfplugin_pb2.DynamicValue(msgpack=msgpack.packb(values))


def read(value: tfplugin_pb2.DynamicValue) -> Values | None:
    if value.msgpack:
        decoded: Values | None = msgpack.unpackb(value.msgpack, ext_hook=msgpack.ExtType)
        return decoded
    return json.loads(value.json) if value.json else None


def policy(document: Values) -> str:
    """What `aws_iam_policy_document` makes of its statements."""
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [_statement(each) for each in document["statement"] or ()]}
    )


def _statement(given: Values) -> Values:
    keys = (("Sid", "sid"), ("Action", "actions"), ("Resource", "resources"))
    made: Values = {"Effect": given.get("effect") or "Allow"}
    made |= {key: _one_or_all(given[name]) for key, name in keys if given.get(name)}
    if given.get("principals"):
        made["Principal"] = {each["type"]: _one_or_all(each["identifiers"]) for each in given["principals"]}
    conditions: Values = {}
    for each in given.get("condition") or ():
        conditions.setdefault(each["test"], {})[each["variable"]] = _one_or_all(each["values"])
    return {**made, "Condition": conditions} if conditions else made


def _one_or_all(values: object) -> object:
    if not isinstance(values, list):
        return values
    return values[0] if len(values) == 1 else sorted(values)


class Provider(tfplugin_pb2_grpc.ProviderServicer):  # type: ignore[misc]  # generated, without types
    """Version 6 of the protocol, as far as Terraform asks it here."""

    def __init__(self, schema: Mapping[str, Block]) -> None:
        self._schema = schema

    def GetMetadata(self, _request: object, _context: object) -> object:  # noqa: N802 (the protocol's name)
        answer = tfplugin_pb2.GetMetadata
        return answer.Response(
            server_capabilities=tfplugin_pb2.ServerCapabilities(),
            resources=[answer.ResourceMetadata(type_name=name) for name in self._names(data=False)],
            data_sources=[answer.DataSourceMetadata(type_name=name) for name in self._names(data=True)],
        )

    def GetProviderSchema(self, _request: object, _context: object) -> object:  # noqa: N802
        own = block({"attributes": {"region": {"type": "string"}}, "blocks": {}})
        answer = tfplugin_pb2.GetProviderSchema.Response(provider=tfplugin_pb2.Schema(version=0, block=own))
        for name in self._names(data=False):
            schema = tfplugin_pb2.Schema(version=0, block=block(self._schema[name]))
            answer.resource_schemas[name].CopyFrom(schema)
        for name in self._names(data=True):
            schema = tfplugin_pb2.Schema(version=0, block=block(self._schema[f"data.{name}"]))
            answer.data_source_schemas[name].CopyFrom(schema)
        return answer

    def ValidateProviderConfig(self, _request: object, _context: object) -> object:  # noqa: N802
        return tfplugin_pb2.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, _request: object, _context: object) -> object:  # noqa: N802
        return tfplugin_pb2.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, _request: object, _context: object) -> object:  # noqa: N802
        return tfplugin_pb2.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, _request: object, _context: object) -> object:  # noqa: N802
        return tfplugin_pb2.ConfigureProvider.Response()

    def PlanResourceChange(self, request: Change, _context: object) -> object:  # noqa: N802
        planned = read(request.proposed_new_state)
        if planned is None:
            return tfplugin_pb2.PlanResourceChange.Response(planned_state=request.proposed_new_state)
        for name, attribute in self._schema[request.type_name]["attributes"].items():
            if is_computed(name, attribute) and planned.get(name) is None:
                planned[name] = _made_up(request.type_name, name, planned)
        return tfplugin_pb2.PlanResourceChange.Response(planned_state=written(planned))

    def ReadDataSource(self, request: Question, _context: object) -> object:  # noqa: N802
        state = read(request.config) or {}
        if request.type_name == "aws_iam_policy_document":
            state["json"] = state["minified_json"] = policy(state)
        for name, value in {"id": request.type_name, **KNOWN.get(request.type_name, {})}.items():
            state[name] = state.get(name) or value
        return tfplugin_pb2.ReadDataSource.Response(state=written(state))

    def GetFunctions(self, _request: object, _context: object) -> object:  # noqa: N802
        return tfplugin_pb2.GetFunctions.Response()

    def StopProvider(self, _request: object, _context: object) -> object:  # noqa: N802
        return tfplugin_pb2.StopProvider.Response()

    def _names(self, *, data: bool) -> Iterator[str]:
        return (name.removeprefix("data.") for name in self._schema if name.startswith("data.") == data)


_ARNS: Mapping[str, str] = {
    "aws_autoscaling_group": "autoscaling:{region}:{account}:autoScalingGroup:0:autoScalingGroupName/{name}",
    "aws_cloudwatch_event_rule": "events:{region}:{account}:rule/{name}",
    "aws_cloudwatch_log_group": "logs:{region}:{account}:log-group:{name}",
    "aws_ecs_service": "ecs:{region}:{account}:service/cluster/{name}",
    "aws_ecs_task_definition": "ecs:{region}:{account}:task-definition/{name}:1",
    "aws_efs_access_point": "elasticfilesystem:{region}:{account}:access-point/fsap-{name}",
    "aws_efs_file_system": "elasticfilesystem:{region}:{account}:file-system/fs-{name}",
    "aws_iam_instance_profile": "iam::{account}:instance-profile/{name}",
    "aws_iam_role": "iam::{account}:role/{name}",
    "aws_launch_template": "ec2:{region}:{account}:launch-template/lt-{name}",
    "aws_lb": "elasticloadbalancing:{region}:{account}:loadbalancer/net/{name}/0",
    "aws_lb_target_group": "elasticloadbalancing:{region}:{account}:targetgroup/{name}/0",
    "aws_security_group": "ec2:{region}:{account}:security-group/sg-{name}",
    "aws_service_discovery_private_dns_namespace": "servicediscovery:{region}:{account}:namespace/ns-{name}",
    "aws_service_discovery_service": "servicediscovery:{region}:{account}:service/srv-{name}",
    "aws_sqs_queue": "sqs:{region}:{account}:{name}",
}
_NAMES: Mapping[str, Callable[[Values], object]] = {
    "aws_ecs_task_definition": lambda planned: planned["family"],
    "aws_efs_access_point": lambda planned: planned["root_directory"][0]["path"].strip("/"),
    "aws_efs_file_system": lambda planned: planned["creation_token"],
}
"""Of what has no attribute `name`."""


def _made_up(kind: str, attribute: str, planned: Values) -> object:
    """What AWS would give a resource of this name, already in the plan, so that policies can be looked at there.

    Everything else is known after apply; all of it is where `KNOWN_AFTER_APPLY` is set, as with the real provider.
    """
    if "KNOWN_AFTER_APPLY" in os.environ:
        return UNKNOWN
    name = _NAMES[kind](planned) if kind in _NAMES else planned.get("name")
    if not isinstance(name, str):
        return UNKNOWN
    arn = "arn:aws:" + _ARNS[kind].format(region=REGION, account=ACCOUNT, name=name) if kind in _ARNS else ""
    made_up: Values = {
        "arn": arn,
        "url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}",
        "dns_name": f"{name}.elb.{REGION}.amazonaws.com",
        "file_system_arn": f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/{planned.get('file_system_id')}",
        "id": arn.rpartition("/")[2],
    }
    return made_up.get(attribute) or UNKNOWN


class _Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):  # type: ignore[misc]  # generated, without types
    def Shutdown(self, _request: object, _context: object) -> object:  # noqa: N802
        return grpc_controller_pb2.Empty()


class _Streams(grpc_stdio_pb2_grpc.GRPCStdioServicer):  # type: ignore[misc]  # generated, without types
    def StreamStdio(self, _request: object, _context: object) -> Iterator[object]:  # noqa: N802
        return iter(())


def main(schema: Path) -> None:
    place = f"{tempfile.mkdtemp()}/provider.sock"
    server = grpc.server(ThreadPoolExecutor(4))
    tfplugin_pb2_grpc.add_ProviderServicer_to_server(Provider(json.loads(schema.read_text())), server)
    grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(_Controller(), server)
    grpc_stdio_pb2_grpc.add_GRPCStdioServicer_to_server(_Streams(), server)
    server.add_insecure_port(f"unix:{place}")
    server.start()
    address = {"Network": "unix", "String": place}
    me = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
    print(json.dumps({"hashicorp/aws": me}), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
