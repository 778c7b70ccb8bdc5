"""Resources as protobuf's JSON, for whoever does not read protobuf."""

import json
import warnings

from bridge.resources.type_url import message_type
from xds import Resource


def rendered(type_url: str, resource: Resource) -> str:
    """A resource as an `Any` in JSON: an object with its `@type` and its fields, spelled as Envoy documents them.

    Protobuf's other spelling, `connectTimeout` for `connect_timeout`, would have to be derived from these names, and
    betterproto2 does it wrongly for some (`consecutive_5xx`); every reader takes both.
    https://protobuf.dev/programming-guides/json
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a deprecated field is Envoy's to judge
        message = message_type(type_url).parse(resource.body)
        fields = message.to_dict(casing=str)  # type: ignore[arg-type]  # whatever turns a name into a name
    return json.dumps({"@type": type_url, **fields}, ensure_ascii=False, separators=(",", ":"))
