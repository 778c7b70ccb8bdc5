"""The bridge as its admin interface shows it."""

import asyncio
from collections.abc import Mapping, Sequence

from aiohttp import ClientSession

from bridge.demo.document import SERVICE
from bridge.demo.envoy import FAILURES, TIMEOUT
from bridge.demo.option import HOST, Ports


class BridgeView:
    """A running bridge, seen from outside."""

    def __init__(self, session: ClientSession, ports: Ports) -> None:
        self._session = session
        self.url = f"http://{HOST}:{ports.bridge_admin}"

    async def ready(self) -> bool:
        """Whether it answers Envoys."""
        try:
            async with self._session.get(f"{self.url}/readyz", timeout=TIMEOUT) as answer:
                return answer.status == 200
        except FAILURES:
            return False

    async def problems(self) -> frozenset[str]:
        """What it cannot read and what it has set aside, a line each; nothing while it does not answer."""
        try:
            sources, service = await asyncio.gather(self._get("sources"), self._get(f"services/{SERVICE}"))
        except FAILURES:
            return frozenset()
        failures = (
            f"source {source['name']}: {failure['error']}"
            for source in _objects(sources, "sources")
            for failure in _objects(source, "failures")
        )
        set_aside = (
            f"source {entry['source']}: {entry['reported']} is set aside: {entry['reason']}"
            for entry in _objects(service, "set_aside")
        )
        return frozenset((*failures, *set_aside))

    async def _get(self, path: str) -> Mapping[str, object]:
        async with self._session.get(f"{self.url}/api/v1/{path}", timeout=TIMEOUT) as answer:
            body = await answer.json()
        return body if isinstance(body, dict) else {}


def _objects(parent: Mapping[str, object], key: str) -> Sequence[Mapping[str, object]]:
    children = parent.get(key)
    return [child for child in children if isinstance(child, dict)] if isinstance(children, list) else []
