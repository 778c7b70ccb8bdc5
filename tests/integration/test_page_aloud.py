"""What a screen reader is told of the status page: what comes and what ends, and never how long something lasts."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from playwright.async_api import Page, expect

from bridge.outage import Failure
from support.admin_bench import Bench, admin_bench
from support.admin_fakes import DC1, stream
from support.browser import Tab, browser, tab
from xds import TypeState

LISTEN = """() => {
  window.told = [];
  for (const region of document.querySelectorAll("[aria-live], [role=status], [role=alert]"))
    new MutationObserver(() => window.told.push(region.textContent)).observe(
      region, { childList: true, characterData: true, subtree: true });
}"""
"""Notes from now on what each region that is read aloud says whenever it changes."""

RUNNING = "[aria-live] time, [role=status] time, [role=alert] time"

LAGS = "Has not answered what it was sent of clusters."


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with admin_bench() as bench:
        lagging(bench, 65.0)
        yield bench


@pytest.fixture
async def seen(bench: Bench) -> AsyncIterator[Tab]:
    async with browser() as chromium, tab(chromium) as seen:
        await seen.open(bench.url)
        yield seen


def lagging(bench: Bench, seconds: float) -> None:
    """Have an Envoy leave something unanswered for that long."""
    status = stream(1, "edge-1")
    lags = replace(status.types[0], state=TypeState.STALE, rejection=None, unanswered=seconds)
    bench.streams.connected = [replace(status, types=(lags,))]


async def shows(page: Page, place: str, text: str) -> list[str]:
    """Have the page fetched anew until it says this there; what was read aloud since it is listened to."""
    await page.evaluate("look()")
    await expect(page.locator(place)).to_contain_text(text, timeout=30_000)
    told = await page.evaluate("window.told")
    assert isinstance(told, list)
    return told


async def test_what_only_lasts_is_not_read_again_and_what_comes_or_ends_is(bench: Bench, seen: Tab) -> None:
    page = seen.page
    await expect(page.locator("#findings")).to_contain_text(f"{LAGS} 65 s")
    await page.evaluate(LISTEN)

    lagging(bench, 300.0)
    assert await shows(page, "#findings", f"{LAGS} 5 min") == []
    assert await page.locator(RUNNING).count() == 0

    bench.reading.failures = {DC1: (Failure("", "refused", 1_700_000_000.0, 1),)}
    [came] = await shows(page, "#announced", "dc1 Fails since")
    assert LAGS not in came

    bench.streams.connected = []
    assert (await shows(page, "#announced", "1 left"))[1:] == ["1 left to look at."]
    bench.reading.failures = {}
    assert (await shows(page, "#announced", "Nothing"))[2:] == ["Nothing needs a person."]
    assert seen.complaints == []
