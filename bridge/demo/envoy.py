"""Envoy as its admin interface and its listener show it: the only witness the demo believes."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout

from bridge.demo.option import HOST, DemoError, Ports

Hosts = Mapping[str, str]
"""The hosts of a cluster: address and port → health in the words of the file source, such as `draining`."""

TIMEOUT = ClientTimeout(total=5)

FAILURES = (ClientError, TimeoutError)


def parse_clusters(payload: object) -> dict[str, dict[str, str]]:
    """Hosts by cluster, from the answer of `/clusters?format=json`.

    https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/clusters.proto

    Raises:
        DemoError: it is not such an answer.
    """
    try:
        return {
            status["name"]: {
                "{address}:{port_value}".format(**host["address"]["socket_address"]): host["health_status"]
                .get("eds_health_status", "UNKNOWN")
                .lower()
                for host in status.get("host_statuses", [])
            }
            for status in payload["cluster_statuses"]  # type: ignore[index]  # what is not subscriptable is caught
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise DemoError(f"Envoy's /clusters has an unknown form ({error!r})") from error


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came back from a number of requests."""

    answers: Counter[str]
    failures: tuple[str, ...] = ()


class EnvoyView:
    """A running Envoy, seen from outside."""

    def __init__(self, session: ClientSession, ports: Ports) -> None:
        self._session = session
        self._admin = f"http://{HOST}:{ports.envoy_admin}"
        self.url = f"http://{HOST}:{ports.envoy_listener}/"

    async def hosts(self, cluster: str) -> Hosts | None:
        """The hosts of a cluster; None when Envoy does not answer or has no such cluster."""
        try:
            async with self._session.get(f"{self._admin}/clusters?format=json", timeout=TIMEOUT) as answer:
                return parse_clusters(await answer.json(content_type=None)).get(cluster)
        except FAILURES:
            return None

    async def statistics(self, names: str) -> dict[str, int]:
        """The counters and gauges whose names match a regular expression; none when Envoy does not answer."""
        try:
            async with self._session.get(f"{self._admin}/stats?filter={names}", timeout=TIMEOUT) as answer:
                lines = (await answer.text()).splitlines()
        except FAILURES:
            return {}
        pairs = (line.rsplit(": ", 1) for line in lines)
        return {name: int(value) for name, value in pairs if value.isdecimal()}

    async def request(self, count: int) -> Traffic:
        """Send requests through the listener, one after the other, and count who answered."""
        answers: Counter[str] = Counter()
        failures = []
        for _ in range(count):
            try:
                async with self._session.get(self.url, timeout=TIMEOUT) as answer:
                    text = (await answer.text()).strip()
            except FAILURES as error:
                failures.append(repr(error))
                continue
            if answer.status == 200:
                answers[text] += 1
            else:
                failures.append(f"status {answer.status}: {text[:80]}")
        return Traffic(answers, tuple(failures))

    async def load(self, until: asyncio.Event) -> Traffic:
        """Send requests until told to stop."""
        total = Traffic(Counter())
        while not until.is_set():
            more = await self.request(5)
            total = Traffic(total.answers + more.answers, total.failures + more.failures)
            await asyncio.sleep(0.005)
        return total
