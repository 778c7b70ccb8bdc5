"""A real browser: Debian's Chromium without a screen, driven by Playwright, and a record of what it complains of."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright

DESK = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=375, height=800)

# As root in a container there is neither a sandbox nor, at times, much shared memory.
_FLAGS = ("--no-sandbox", "--disable-dev-shm-usage")


def chromium() -> str:
    """The Chromium to test with: `CHROMIUM_BINARY`, else the one that `make test` fetches."""
    path = Path(os.environ.get("CHROMIUM_BINARY") or Path(__file__).parents[2] / ".cache/chromium/chromium")
    assert path.exists(), f"there is no Chromium at {path}; set CHROMIUM_BINARY or run `make test`"
    return str(path)


@dataclass
class Tab:
    """A page in the browser, and what went on in it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings on the console, and exceptions that nobody caught."""
    requested: list[str] = field(default_factory=list)
    """Every URL that was asked for."""

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requested.append(request.url))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def open(self, url: str) -> None:
        """Go there, and wait until the page is live."""
        await self.page.goto(url)
        await self.page.wait_for_selector("#live[data-state=live]")

    async def fits(self) -> bool:
        """Whether nothing is wider than the screen."""
        return bool(await self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A browser, ended with its context."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)
        try:
            yield started
        finally:
            await started.close()


@asynccontextmanager
async def tab(
    started: Browser, size: ViewportSize = DESK, *, dark: bool = False, scripts: bool = True
) -> AsyncIterator[Tab]:
    """A tab that shares nothing with the others.

    Args:
        started: the browser.
        size: of the window.
        dark: whether its user prefers that.
        scripts: whether it runs scripts.
    """
    context = await started.new_context(
        viewport=size, color_scheme="dark" if dark else "light", java_script_enabled=scripts
    )
    try:
        yield Tab(await context.new_page())
    finally:
        await context.close()
