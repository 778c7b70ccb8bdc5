"""The bodies of answers, each rendered once: a thousand Envoys that poll cost as much as one.

All clusters of a large site take long enough to render to be rendered in a thread; in one, so that none is twice.
"""

import asyncio
import json
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from bridge.resources import Renderer
from xds import Resource, Response

_MOST = 64 << 20
"""Characters of resources, and bytes of bodies, that are kept."""

_Key = tuple[str, ...]
Content = TypeVar("Content", str, bytes)


class Bodies:
    """Renders responses, and keeps what it rendered: a version stands for one content."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rest")
        self._renderer = Renderer()
        self._resources: _Kept[str] = _Kept(_MOST)
        self._bodies: _Kept[bytes] = _Kept(_MOST)

    async def render(self, response: Response) -> bytes:
        """A `DiscoveryResponse` in JSON."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._render, response)

    def close(self) -> None:
        """Render nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _render(self, response: Response) -> bytes:
        # Of a fetched response the version is a hash over all resources in it, so it stands for the whole body.
        key = response.type.url, response.version
        body = self._bodies.get(key)
        if body is None:
            resources = response.snapshot.resources(response.type.url)
            listed = ",".join(self._resource(response.type.url, resources[name]) for name in sorted(response.names))
            url, version = json.dumps(response.type.url), json.dumps(response.version)
            body = f'{{"version_info":{version},"type_url":{url},"resources":[{listed}]}}\n'.encode()
            self._bodies.add(key, body)
        return body

    def _resource(self, type_url: str, resource: Resource) -> str:
        key = type_url, resource.name, resource.version
        text = self._resources.get(key)
        if text is None:
            text = self._renderer.render(type_url, resource)
            self._resources.add(key, text)
        return text


class _Kept(Generic[Content]):
    """The most recently used of what was rendered, up to a total size."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[_Key, Content] = OrderedDict()

    def get(self, key: _Key) -> Content | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def add(self, key: _Key, content: Content) -> None:
        self._kept[key] = content
        self._size += len(content)
        while self._size > self._most:
            self._size -= len(self._kept.popitem(last=False)[1])
