"""Responses to bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xds.codec.wire import bytes_field, framed, listed_text, string
from xds.resource import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What surrounds the resources of a response, alike in both variants."""

    type_url: str
    version: str
    nonce: str
    control_plane: str = ""
    """`control_plane.identifier`, which Envoy shows in its statistics."""


def encode_response(envelope: Envelope, resources: Iterable[Resource]) -> bytes:
    """A `DiscoveryResponse`."""
    url = string(1, envelope.type_url)
    chunks = [string(1, envelope.version)]
    for resource in resources:
        chunks += framed(2, url, bytes_field(2, resource.body))
    chunks += [string(4, envelope.type_url), string(5, envelope.nonce), _control_plane(6, envelope)]
    return b"".join(chunks)


def encode_delta_response(envelope: Envelope, resources: Iterable[Resource], removed: Sequence[str]) -> bytes:
    """A `DeltaDiscoveryResponse`."""
    url = string(1, envelope.type_url)
    chunks = [string(1, envelope.version)]
    for resource in resources:
        wrapped = framed(2, url, bytes_field(2, resource.body))
        chunks += framed(2, string(3, resource.name), string(1, resource.version), *wrapped)
    chunks.append(string(4, envelope.type_url))
    chunks += [listed_text(6, name) for name in removed]
    chunks += [string(5, envelope.nonce), _control_plane(7, envelope)]
    return b"".join(chunks)


def _control_plane(number: int, envelope: Envelope) -> bytes:
    identifier = string(1, envelope.control_plane)
    return b"".join(framed(number, identifier)) if identifier else b""
