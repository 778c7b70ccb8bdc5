"""Asks for the catalogue again and again, and hands over what it says whenever it says something else."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import aiohttp
from pydantic import AfterValidator, Field

from bridge.adapter import AdapterConfig, AdapterContext, Duration
from bridge.errors import SourceError
from bridge.model import Scope
from catalogue_adapter.mapping import CatalogueError, Services, services_of


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a catalogue has a URL such as http://inventory.internal/services.json")
    if parts.username is not None:
        raise ValueError("the URL is shown in logs, so it cannot hold a password")
    return value


class CatalogueConfig(AdapterConfig):
    """What an operator can write under a source of `type: catalogue`."""

    url: Annotated[str, AfterValidator(_url)]
    """URL of the catalogue, http or https."""
    interval: Annotated[Duration, Field(ge=0.01, le=3600)] = 5.0
    """How often to ask whether the catalogue has changed."""
    timeout: Annotated[Duration, Field(ge=0.1, le=60)] = 10.0
    """How long an answer may take."""


class CatalogueAdapter:
    """Keeps one catalogue in view. It is the only scope: all of it is read, or nothing."""

    Config: ClassVar[type[CatalogueConfig]] = CatalogueConfig

    def __init__(self, config: CatalogueConfig) -> None:
        self._config = config

    async def run(self, context: AdapterContext) -> None:
        """Report the whole catalogue first, and again whenever the server says that it is another."""
        # A large catalogue takes longer to parse than the event loop can wait, so a thread of our own does it.
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"catalogue-{context.source}")
        timeout = aiohttp.ClientTimeout(total=self._config.timeout)
        tag = ""
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session:
                async for _ in context.ticks(self._config.interval):
                    body, tag = await self._ask(session, context, tag)
                    if body is not None:
                        services = await asyncio.get_running_loop().run_in_executor(thread, self._parse, body)
                        context.sink.replace(Scope(self._config.url), services)
                    context.succeeded()
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, session: aiohttp.ClientSession, context: AdapterContext, tag: str) -> tuple[bytes | None, str]:
        """The catalogue and its ETag; None for the catalogue when `tag` is still its ETag."""
        headers = {"If-None-Match": tag} if tag else {}
        loop = asyncio.get_running_loop()
        began, code = loop.time(), "cancelled"
        try:
            async with session.get(self._config.url, headers=headers, allow_redirects=False) as response:
                code = str(response.status)
                if response.status == 304 and tag:
                    return None, tag
                if response.status != 200:
                    raise SourceError(
                        f"cannot read {self._config.url}: {response.status} {response.reason}",
                        retry_after=_retry_after(response.headers.get("Retry-After", "")),
                    )
                return await response.read(), response.headers.get("ETag", "")
        except (aiohttp.ClientError, TimeoutError) as error:
            code = type(error).__name__
            raise SourceError(f"cannot read {self._config.url}: {error or code}") from error
        finally:
            context.requested("catalogue", code, loop.time() - began)

    def _parse(self, body: bytes) -> Services:
        try:
            return services_of(body)
        except CatalogueError as error:
            raise SourceError(f"{self._config.url}: {error}") from error


def _retry_after(value: str) -> float | None:
    """The seconds for which the server wants to be left alone; None where it does not say."""
    return min(float(value), 300.0) if value.isascii() and value.isdigit() else None
