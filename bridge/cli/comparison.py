"""What differs between two sets of clusters and endpoints, cluster by cluster and endpoint by endpoint: pure functions.

Resources are compared as bytes, which equal content has equal, and only those that differ are read.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel

from bridge.cli.served import Endpoints, Scalar, endpoints, flat

Json = dict[str, object]


class Kind(StrEnum):
    """What becomes of something."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


SIGNS: Mapping[Kind, str] = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}


class Content(NamedTuple):
    """Encoded resources, by name."""

    clusters: Mapping[str, bytes]
    assignments: Mapping[str, bytes]


class Reader(NamedTuple):
    """How encoded resources are read."""

    cluster: Callable[[bytes], Json]
    assignment: Callable[[bytes], Json]


class FieldChange(BaseModel):
    """A field that differs; None is "not given"."""

    field: str
    before: Scalar
    after: Scalar


class EndpointChange(BaseModel):
    """An endpoint of a cluster that differs."""

    endpoint: str
    change: Kind
    fields: tuple[FieldChange, ...] = ()


class ClusterChange(BaseModel):
    """A cluster that differs, or whose endpoints do."""

    cluster: str
    change: Kind
    fields: tuple[FieldChange, ...] = ()
    """Of the cluster, and of its assignment apart from the endpoints."""
    endpoints: tuple[EndpointChange, ...] = ()
    notes: tuple[str, ...] = ()
    """What explains it."""


def compare(before: Content, after: Content, read: Reader) -> list[ClusterChange]:
    """The clusters that differ, sorted by name."""
    names = before.clusters.keys() | after.clusters.keys() | before.assignments.keys() | after.assignments.keys()
    changes = (_change(name, before, after, read) for name in sorted(names))
    return [change for change in changes if change]


def lines(changes: Sequence[ClusterChange]) -> Iterator[tuple[Kind | None, str]]:
    """The changes for people, each line with what it is about: sign, name, and what is before and after."""
    for cluster in changes:
        yield cluster.change, f"{SIGNS[cluster.change]} cluster {cluster.cluster}"
        for field in cluster.fields:
            yield Kind.CHANGED, f"    ~ {_field(field)}"
        for endpoint in cluster.endpoints:
            fields = ", ".join(map(_field, endpoint.fields))
            yield endpoint.change, f"    {SIGNS[endpoint.change]} {endpoint.endpoint}{f'  {fields}' if fields else ''}"
        for note in cluster.notes:
            yield None, f"    note: {note}"


def summary(changes: Sequence[ClusterChange]) -> str:
    """The changes as numbers."""
    if not changes:
        return "no difference"
    found = [
        *_counted("cluster", [cluster.change for cluster in changes]),
        *_counted("endpoint", [endpoint.change for cluster in changes for endpoint in cluster.endpoints]),
    ]
    return ", ".join(found)


def _counted(what: str, changes: Sequence[Kind]) -> Iterator[str]:
    for kind in Kind:
        if number := changes.count(kind):
            yield f"{number} {what}{'' if number == 1 else 's'} {kind}"


def _change(name: str, before: Content, after: Content, read: Reader) -> ClusterChange | None:
    was, will = before.clusters.get(name), after.clusters.get(name)
    had, has = before.assignments.get(name), after.assignments.get(name)
    if was == will and had == has:
        return None
    kind = Kind.ADDED if had is None and was is None else Kind.REMOVED if has is None and will is None else Kind.CHANGED
    old, rest = endpoints(read.assignment(had)) if had is not None else ({}, {})
    new, more = endpoints(read.assignment(has)) if has is not None else ({}, {})
    fields: tuple[FieldChange, ...] = ()
    if kind is Kind.CHANGED:
        fields = (*_fields(_cluster(was, read), _cluster(will, read)), *_fields(rest, more))
    found = tuple(_endpoints(old, new))
    unknown = ("what differs is nothing that this version can read",) if kind is Kind.CHANGED else ()
    notes = () if fields or found else unknown
    return ClusterChange(cluster=name, change=kind, fields=fields, endpoints=found, notes=notes)


def _endpoints(before: Endpoints, after: Endpoints) -> Iterator[EndpointChange]:
    for key in sorted(before.keys() | after.keys()):
        if key not in before:
            yield EndpointChange(endpoint=key, change=Kind.ADDED)
        elif key not in after:
            yield EndpointChange(endpoint=key, change=Kind.REMOVED)
        elif fields := _fields(before[key], after[key]):
            yield EndpointChange(endpoint=key, change=Kind.CHANGED, fields=fields)


def _cluster(encoded: bytes | None, read: Reader) -> Mapping[str, Scalar]:
    return flat(read.cluster(encoded)) if encoded is not None else {}


def _fields(before: Mapping[str, Scalar], after: Mapping[str, Scalar]) -> tuple[FieldChange, ...]:
    names = sorted(before.keys() | after.keys())
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return tuple(FieldChange(field=name, before=one, after=other) for name, one, other in pairs if one != other)


def _field(change: FieldChange) -> str:
    return f"{change.field}: {_value(change.before)} → {_value(change.after)}"


def _value(value: Scalar) -> str:
    return "(not given)" if value is None else json.dumps(value, ensure_ascii=False)
