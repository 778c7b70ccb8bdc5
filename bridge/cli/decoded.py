"""Encoded clusters and assignments read, whoever encoded them, for the commands that print or compare them."""

import json
from collections.abc import Mapping

from bridge.cli.comparison import Content, Json, Reader
from bridge.errors import BridgeError
from bridge.resources import Renderer
from xds import CLUSTER, ENDPOINT, Resource, ResourceType


class UnreadableError(BridgeError):
    """A resource is no message of its type."""


def reader() -> Reader:
    """How they are read; raises UnreadableError."""
    renderer = Renderer()
    return Reader(lambda body: _read(renderer, CLUSTER, body), lambda body: _read(renderer, ENDPOINT, body))


def responses(content: Content, versions: Mapping[str, str], read: Reader) -> dict[str, object]:
    """A discovery response for each type, as protobuf's JSON has it, with its resources sorted by name.

    Args:
        content: all resources.
        versions: of each type, by its `type_url`.
        read: how resources are read.

    Raises:
        UnreadableError: one of them cannot be.
    """
    clusters = [read.cluster(content.clusters[name]) for name in sorted(content.clusters)]
    assignments = [read.assignment(content.assignments[name]) for name in sorted(content.assignments)]
    listed = (("clusters", CLUSTER, clusters), ("endpoints", ENDPOINT, assignments))
    return {
        key: {"version_info": versions.get(kind.url, ""), "type_url": kind.url, "resources": resources}
        for key, kind, resources in listed
    }


def _read(renderer: Renderer, kind: ResourceType, body: bytes) -> Json:
    try:
        found: Json = json.loads(renderer.render(kind.url, Resource("", body, "")))
    except (LookupError, ValueError) as error:
        what = kind.url.rpartition(".")[2]
        raise UnreadableError(f"a {what} among the answers cannot be read ({type(error).__name__}: {error})") from error
    return found
