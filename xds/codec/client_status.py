"""The messages of the client status discovery service (CSDS).

https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/status/v3/csds.proto
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from xds.codec.wire import VARINT, bytes_field, field, fields, framed, number_bytes, string, tag, text, varint
from xds.matcher import Form, NodeMatcher
from xds.message import InvalidRequest
from xds.node import Node
from xds.standing import Presence, Progress, Standing

_MATCHERS = tag(1)  # ClientStatusRequest
_NODE_ID, _NODE_METADATAS = map(tag, (1, 2))  # NodeMatcher
_FORMS = MappingProxyType(  # StringMatcher
    {
        tag(1): Form.EXACT,
        tag(2): Form.PREFIX,
        tag(3): Form.SUFFIX,
        tag(7): Form.CONTAINS,
    }
)
_IGNORE_CASE = 6 << 3 | VARINT
_REFUSED = MappingProxyType({tag(5): "safe_regex", tag(8): "a custom matcher"})
"""Python matches regular expressions by trying: one from a client could keep the server busy for ever."""

_MOST_MATCHERS = 256

_CONFIG_STATUS: Mapping[Progress, int] = MappingProxyType(
    {Progress.SYNCED: 1, Progress.NOT_SENT: 2, Progress.BEHIND: 3, Progress.REJECTED: 4}
)
"""`ConfigStatus`: SYNCED, NOT_SENT, STALE, ERROR."""
_REQUESTED, _ACKED, _NACKED = 1, 3, 4  # ClientResourceStatus


def decode_client_status_request(data: bytes) -> tuple[NodeMatcher, ...]:
    """Which nodes a `ClientStatusRequest` asks about; without a matcher, every node.

    `exclude_resource_contents` need not be read: what is answered is versions, not the resources themselves.

    Raises:
        InvalidRequest: it is none, or asks for something that is not supported.
    """
    matchers = tuple(_node_matcher(value) for number, value in fields(data) if number == _MATCHERS)
    if len(matchers) > _MOST_MATCHERS:
        raise InvalidRequest(f"there are {len(matchers)} node_matchers; at most {_MOST_MATCHERS} are understood")
    return matchers


def encode_client_status_response(clients: Iterable[bytes]) -> bytes:
    """A `ClientStatusResponse` of clients that `encode_client_config` has encoded."""
    return b"".join(b"".join(framed(1, client)) for client in clients)


def encode_client_config(client: Presence, now: float) -> bytes:
    """A `ClientConfig`: one `GenericXdsConfig` for each type, without a name, as it is about all resources of the type.

    Args:
        client: who, and how far.
        now: Unix seconds.
    """
    configs = (b"".join(framed(3, _generic_xds_config(standing, now))) for standing in client.standings)
    return b"".join([*framed(1, _node(client.node)), *configs, string(4, client.peer)])


def _node_matcher(data: bytes) -> NodeMatcher:
    found = dict(fields(data))
    if _NODE_METADATAS in found:
        raise InvalidRequest("node_metadatas is not supported: the metadata of nodes is not kept; use node_id")
    return _string_matcher(found[_NODE_ID]) if _NODE_ID in found else NodeMatcher()


def _string_matcher(data: bytes) -> NodeMatcher:
    form, content, ignore_case, position = None, b"", False, 0
    while position < len(data):
        number, start, end = field(data, position)
        if number in _REFUSED:
            raise InvalidRequest(f"{_REFUSED[number]} of node_id is not supported; use prefix, suffix or contains")
        if number == _IGNORE_CASE:
            ignore_case = varint(data, position + 1)[0] != 0
        elif number in _FORMS:
            form, content = _FORMS[number], data[start:end]
        position = end
    if form is None:
        raise InvalidRequest("the matcher of node_id says neither exact, prefix, suffix nor contains")
    return NodeMatcher(form, text(content), ignore_case)


def _node(node: Node) -> bytes:
    place = node.locality
    locality = string(1, place.region) + string(2, place.zone) + string(3, place.sub_zone)
    return string(1, node.id) + string(2, node.cluster) + bytes_field(4, locality)


def _generic_xds_config(standing: Standing, now: float) -> bytes:
    updated = b"" if standing.since is None else _timestamp(now - standing.since)
    return b"".join(
        (
            string(1, standing.type_url),
            string(3, standing.version),
            bytes_field(5, updated),
            _enum(6, _CONFIG_STATUS[standing.progress]),
            _enum(7, _client_status(standing)),
            *(_error_state(standing) if standing.progress is Progress.REJECTED else ()),
        )
    )


def _client_status(standing: Standing) -> int:
    """What the client would say itself of `version`: that it rejected another, has accepted it, or waits for one."""
    if standing.progress is Progress.REJECTED:
        return _NACKED
    return _ACKED if standing.version else _REQUESTED


def _error_state(standing: Standing) -> list[bytes]:
    return framed(8, string(3, standing.rejection), string(4, standing.version_rejected))


def _timestamp(seconds: float) -> bytes:
    whole = int(seconds)
    return _enum(1, whole) + _enum(2, int((seconds - whole) * 1e9))


def _enum(number: int, value: int) -> bytes:
    return bytes((number << 3 | VARINT,)) + number_bytes(value)
