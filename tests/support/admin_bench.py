"""An AdminServer over fakes, and a client of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from bridge.absent import Absent
from bridge.admin import AdminServer, Upkeep, View
from bridge.audit import Trail
from bridge.config import AdminConfig
from support.admin_fakes import (
    LISTED,
    FakeHistory,
    FakeInquiry,
    FakeKnowledge,
    FakeMetrics,
    FakeOperation,
    FakeReadiness,
    FakeReading,
    FakeReloads,
    FakeReplicas,
    FakeRules,
    FakeServing,
    FakeStreams,
)


@dataclass
class Bench:
    """An AdminServer over fakes, and a client of it."""

    knowledge: FakeKnowledge = field(default_factory=FakeKnowledge)
    history: FakeHistory = field(default_factory=FakeHistory)
    readiness: FakeReadiness = field(default_factory=FakeReadiness)
    reading: FakeReading = field(default_factory=FakeReading)
    streams: FakeStreams = field(default_factory=FakeStreams)
    serving: FakeServing = field(default_factory=FakeServing)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    operation: FakeOperation = field(default_factory=FakeOperation)
    reloads: FakeReloads = field(default_factory=FakeReloads)
    replicas: FakeReplicas = field(default_factory=FakeReplicas)
    rules: FakeRules = field(default_factory=FakeRules)
    trail: Trail = field(default_factory=Trail)
    inquiry: FakeInquiry = field(default_factory=FakeInquiry)
    upkeep: Upkeep = field(default_factory=Upkeep)
    absent: tuple[Absent, ...] = ()
    url: str = ""

    def server(self, listen: str = "127.0.0.1:0", expose: str = "probes") -> AdminServer:
        config = AdminConfig.model_validate({"listen": listen, "expose": expose})
        view = View(
            lambda: LISTED, self.knowledge, self.history, self.readiness, self.reading, self.streams, self.serving,
            self.metrics, self.operation, self.reloads, self.replicas, lambda: self.rules, self.trail, self.inquiry,
            lambda: self.upkeep, lambda: self.absent,
        )  # fmt: skip
        return AdminServer(config, view, self.operation, self.operation.reload, self.operation.kept)

    async def request(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, object]]:
        url = URL(self.url + path, encoded=True)
        async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as response:
            assert response.content_type == "application/json"
            document: dict[str, object] = await response.json()
            return response.status, document

    async def get(self, path: str) -> dict[str, object]:
        status, document = await self.request(path)
        assert status == 200
        return document

    async def text(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.text()


@asynccontextmanager
async def admin_bench() -> AsyncIterator[Bench]:
    """One that answers."""
    bench = Bench()
    server = bench.server()
    bench.url = f"http://127.0.0.1:{await server.start()}"
    yield bench
    await server.stop()
