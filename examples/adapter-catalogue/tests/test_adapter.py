"""The adapter against a real HTTP server, with a context that keeps what it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from pydantic import ValidationError

from bridge.errors import SourceError
from bridge.model import Entry, Scope, ServiceName
from catalogue_adapter import CatalogueAdapter

ONE = '{"services": {"web": [{"id": "web-1", "ip": "10.0.0.1", "port": 80}]}}'
TWO = '{"services": {"web": [{"id": "web-2", "ip": "10.0.0.2", "port": 80}]}}'


class Inventory:
    """A server with one catalogue."""

    def __init__(self) -> None:
        self.text, self.tag = ONE, '"1"'
        self.status, self.headers = 200, {"ETag": '"1"'}
        self.url = ""
        self.asked: list[str] = []
        """The ETag that came with each request."""

    def change(self, text: str, tag: str) -> None:
        self.text, self.tag, self.headers = text, tag, {"ETag": tag}

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers.get("If-None-Match", ""))
        if self.status == 200 and self.asked[-1] == self.tag:
            return web.Response(status=304, headers=self.headers)
        return web.Response(status=self.status, text=self.text, headers=self.headers)


class Context:
    """What the bridge gives to an adapter, as far as this one uses it: ticks come as fast as they are taken."""

    def __init__(self) -> None:
        self.source, self.sink = "inventory", self
        self.replaced: list[Mapping[ServiceName, frozenset[Entry]]] = []
        self.codes: list[str] = []
        self.passed = asyncio.Event()

    async def ticks(self, _interval: float) -> AsyncIterator[None]:
        while True:
            yield
            await asyncio.sleep(0.01)

    def replace(self, _scope: Scope, services: Mapping[ServiceName, frozenset[Entry]]) -> None:
        self.replaced.append(services)

    def requested(self, _operation: str, code: str, _duration: float) -> None:
        self.codes.append(code)

    def succeeded(self) -> None:
        self.passed.set()

    async def next_pass(self) -> None:
        """Return after a pass that began later than now."""
        async with asyncio.timeout(20):
            for _ in range(2):  # one may have been under way
                self.passed.clear()
                await self.passed.wait()


@pytest.fixture
async def inventory() -> AsyncIterator[Inventory]:
    inventory, application = Inventory(), web.Application()
    application.router.add_get("/services.json", inventory.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    inventory.url = f"http://127.0.0.1:{runner.addresses[0][1]}/services.json"
    yield inventory
    await runner.cleanup()


def adapter(url: str) -> CatalogueAdapter:
    return CatalogueAdapter(CatalogueAdapter.Config.model_validate({"url": url}))


@asynccontextmanager
async def reading(inventory: Inventory) -> AsyncIterator[Context]:
    context = Context()
    task = asyncio.create_task(adapter(inventory.url).run(context))  # type: ignore[arg-type]  # as much of it as is used
    try:
        yield context
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def failure(inventory: Inventory) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await adapter(inventory.url).run(Context())  # type: ignore[arg-type]  # as much of it as is used
    return caught.value


async def test_it_reports_everything_first_and_then_what_changes(inventory: Inventory) -> None:
    async with reading(inventory) as context:
        await context.next_pass()
        inventory.change(TWO, '"2"')
        await context.next_pass()

    assert [[entry.instance for entry in services[ServiceName("web")]] for services in context.replaced] == [
        ["web-1"],
        ["web-2"],
    ]


async def test_it_asks_by_etag_and_a_catalogue_that_is_the_same_is_a_success(inventory: Inventory) -> None:
    async with reading(inventory) as context:
        await context.next_pass()

    assert inventory.asked[:2] == ["", '"1"']
    assert context.codes[:2] == ["200", "304"]
    assert len(context.replaced) == 1


async def test_a_server_that_is_busy_is_left_alone_for_as_long_as_it_says(inventory: Inventory) -> None:
    inventory.status, inventory.headers = 503, {"Retry-After": "7"}

    error = await failure(inventory)

    assert "503" in str(error)
    assert error.retry_after == 7


async def test_what_is_no_catalogue_is_a_failure_that_names_the_url(inventory: Inventory) -> None:
    inventory.change("<html>", '"2"')

    assert f"{inventory.url}: it is not JSON" in str(await failure(inventory))


async def test_a_server_that_is_not_there_is_a_failure(inventory: Inventory) -> None:
    inventory.url = "http://127.0.0.1:1/services.json"

    assert "cannot read http://127.0.0.1:1/services.json" in str(await failure(inventory))


@pytest.mark.parametrize("url", ["inventory.internal", "ftp://inventory.internal/", "http://me:secret@inventory/"])
def test_a_url_that_cannot_be_read_or_shown_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        adapter(url)
