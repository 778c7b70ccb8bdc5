"""The one tag grammar: what the owner of an instance says about it in the source's own labels, tags or metadata.

Part of the plugin interface, so that an instance is tagged with the same keys wherever it runs.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from bridge.model import MAX_WEIGHT, ServiceName, UpstreamProtocol, require_printable

T = TypeVar("T")

DEFAULT_PREFIX = "xds-"

_META = "meta-"


class _Key(StrEnum):
    """The keys of the grammar, without their prefix."""

    SERVICE = "service"
    WEIGHT = "weight"
    PROTOCOL = "protocol"
    REGION = "region"
    ZONE = "zone"
    ENABLE = "enable"


class InvalidLabel(ValueError):  # noqa: N818 (named for what it says of the label)
    """A label that cannot be understood; the message names its key, its value and what is allowed."""

    def __init__(self, key: str, value: str, allowed: str) -> None:
        super().__init__(f"label {key[:100]!r} has the value {value[:100]!r}; {allowed}")


@dataclass(frozen=True, slots=True)
class ServiceReference:
    """A service that an instance says it serves, and on which port if it says so."""

    name: ServiceName
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Labels:
    """What the labels of one instance say; None, or nothing, where they say nothing."""

    services: tuple[ServiceReference, ...] = ()
    """In the order written, each service once."""
    weight: int | None = None
    protocol: UpstreamProtocol | None = None
    region: str | None = None
    zone: str | None = None
    enabled: bool = True
    metadata: tuple[tuple[str, str], ...] = ()
    """Sorted by key."""


def parse(tags: Mapping[str, str], prefix: str = DEFAULT_PREFIX) -> Labels:
    """Read the labels under `prefix`; every other tag is somebody else's.

    Raises:
        InvalidLabel: a value is not allowed, or a key under the prefix is none of ours: a typing error must show.
    """
    values = {key.removeprefix(prefix): value for key, value in tags.items() if key.startswith(prefix)}
    metadata = {key: value for key, value in values.items() if key.startswith(_META)}
    for key in sorted(values.keys() - metadata.keys()):
        _require_known(key, values[key], prefix)

    def read(key: _Key, parser: Callable[[str], T]) -> T | None:
        return _parsed(prefix + key, values[key], parser) if key in values else None

    return Labels(
        services=read(_Key.SERVICE, _services) or (),
        weight=read(_Key.WEIGHT, _weight),
        protocol=read(_Key.PROTOCOL, _protocol),
        region=read(_Key.REGION, _text),
        zone=read(_Key.ZONE, _text),
        enabled=read(_Key.ENABLE, _boolean) is not False,
        metadata=tuple(sorted(_metadata(metadata, prefix))),
    )


def _require_known(key: str, value: str, prefix: str) -> None:
    if key in set(_Key):
        return
    # Without the prefix, which all keys share and which would make any of them look near.
    nearest = difflib.get_close_matches(key, [*_Key, _META], n=1)
    keys = ", ".join(prefix + known for known in _Key)
    hint = f"did you mean {prefix + nearest[0]!r}?" if nearest else f"the keys are {keys} and {prefix}{_META}<key>"
    raise InvalidLabel(prefix + key, value, f"there is no such key: {hint}")


def _parsed(key: str, value: str, parser: Callable[[str], T]) -> T:
    try:
        return parser(value)
    except ValueError as error:
        raise InvalidLabel(key, value, str(error)) from None


def _services(value: str) -> tuple[ServiceReference, ...]:
    references = tuple(_reference(item) for item in re.split(r"[\s,]+", value) if item)
    if not references:
        raise ValueError("it must name a service: name or name:port, several separated by spaces or commas")
    if len({reference.name for reference in references}) != len(references):
        raise ValueError("it names a service twice")
    return references


def _reference(item: str) -> ServiceReference:
    require_printable(item)
    name, colon, port = item.rpartition(":")
    if not colon:
        return ServiceReference(ServiceName(item))
    if not name:
        raise ValueError(f"{item!r} has no name before the colon")
    return ServiceReference(ServiceName(name), _number(port, 65535))


def _weight(value: str) -> int:
    return _number(value, MAX_WEIGHT)


def _number(text: str, highest: int) -> int:
    if re.fullmatch(r"[0-9]{1,9}", text) and 1 <= int(text) <= highest:
        return int(text)
    raise ValueError(f"{text[:100]!r} must be a whole number from 1 to {highest}")


def _protocol(value: str) -> UpstreamProtocol:
    try:
        return UpstreamProtocol(value)
    except ValueError:
        raise ValueError(f"it must be one of {', '.join(protocol.value for protocol in UpstreamProtocol)}") from None


def _boolean(value: str) -> bool:
    if value in ("true", "false"):
        return value == "true"
    raise ValueError("it must be true or false")


def _text(value: str) -> str:
    require_printable(value)
    if not value.strip():
        raise ValueError("it must not be empty")
    return value


def _metadata(values: Mapping[str, str], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = key.removeprefix(_META)
        if not name:
            raise InvalidLabel(prefix + key, value, "a metadata key must follow")
        _parsed(prefix + key, name, _text)
        _parsed(prefix + key, value, _printable)
        yield name, value


def _printable(value: str) -> str:
    require_printable(value)
    return value
