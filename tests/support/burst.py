"""Many requests in little time: an Envoy that answers itself, at any local address, and a client that pipelines.

Python backends and clients take a millisecond for each request. Here Envoy does all the work, and counts by endpoint.
"""

import asyncio
import re
from collections import Counter

from support.bridge import Json
from support.ports import free_port

_REQUEST = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"
_LAST = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
_CHUNK = 500
_FILTERS = "type.googleapis.com/envoy.extensions.filters"


def answering(bootstrap: Json) -> int:
    """Add a listener to a bootstrap that answers 200 at every local address; returns its port."""
    port = free_port()
    static = bootstrap["static_resources"]
    assert isinstance(static, dict)
    manager = {
        "@type": f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "answering",
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_FILTERS}.http.router.v3.Router"},
            }
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
                }
            ]
        },
    }
    static["listeners"].append(
        {
            "name": "answering",
            "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
            "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
        }
    )
    return port


async def burst(port: int, requests: int) -> Counter[int]:
    """Send so many requests to a listener on one connection; how many were answered with which status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers, _ = await asyncio.gather(reader.read(), _write(writer, requests))
    writer.close()
    return Counter(int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers))


async def _write(writer: asyncio.StreamWriter, requests: int) -> None:
    for sent in range(0, requests - 1, _CHUNK):
        writer.write(_REQUEST * min(_CHUNK, requests - 1 - sent))
        await writer.drain()
    writer.write(_LAST)
    await writer.drain()
