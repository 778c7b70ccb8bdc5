"""Bytes to requests and responses to bytes: the only package that knows protobuf's wire format.

An Envoy sends 61 KB of node description with its first request, by default with every request. Scanning for the few
fields that matter costs microseconds where a message library takes milliseconds; for the same reason a resource is
never decoded: it is framed as it is. https://protobuf.dev/programming-guides/encoding
"""

from xds.codec.request import DeltaRequestDecoder, RequestDecoder
from xds.codec.response import Envelope, encode_delta_response, encode_response

__all__ = ["DeltaRequestDecoder", "Envelope", "RequestDecoder", "encode_delta_response", "encode_response"]
