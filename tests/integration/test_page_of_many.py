"""The status page of a large bridge in a real browser: it shows little at once, and everything is found."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Page, expect

from bridge.audit import Action, Event
from bridge.merge import ServedEndpoint, Service
from bridge.model import Endpoint, ServiceName
from support.admin_bench import Bench, admin_bench
from support.admin_fakes import ORIGIN
from support.browser import Tab, browser, tab

SERVICES, LARGE, SMALL = 2000, 2004, 4
"""How many there are, and how many endpoints one of them and every other one has: 10,000 together."""

ROWS, LIVE_ROWS = 50, 200
"""Rows of a page of a list, and of the list of events while these come in."""

ELEMENTS = 1500
"""That a page may consist of, however much there is."""

PATIENCE = 60_000.0
"""Milliseconds for what the page must show sooner or later."""


@dataclass
class Large:
    """A bridge that has much, and somebody who looks at it."""

    bench: Bench
    seen: Tab

    async def open(self, path: str) -> Page:
        """A page of it, of which little is there."""
        await self.seen.open(self.bench.url + path)
        assert await self.seen.page.evaluate("document.querySelectorAll('*').length") < ELEMENTS, path
        return self.seen.page


def service(place: int, name: str, count: int) -> Service:
    """A service with so many endpoints, at addresses of its own."""
    network = f"10.{place >> 8}.{place & 255}"
    endpoints = (Endpoint(f"{network}.{each % 250}", 80 + each // 250) for each in range(count))
    return Service(ServiceName(name), tuple(ServedEndpoint(each, (ORIGIN,)) for each in endpoints))


@pytest.fixture
async def large() -> AsyncIterator[Large]:
    async with admin_bench() as bench, browser() as chromium, tab(chromium) as seen:
        for place in range(1, SERVICES):
            bench.knowledge.put(service(place, f"small-{place:04}", SMALL))
        bench.knowledge.put(service(SERVICES, "large", LARGE))
        yield Large(bench, seen)


async def test_much_is_shown_page_by_page_and_found_by_words_and_by_clicks(large: Large) -> None:
    page = await large.open("/")
    await expect(page.locator("#tiles")).to_contain_text("of 10\u202f000")
    await expect(page.locator("#tiles")).to_contain_text("in 2\u202f000 services")

    page = await large.open("/services")
    rows = page.locator("#services tbody tr")
    await expect(rows).to_have_count(ROWS)
    await page.get_by_role("link", name="Next →").first.click()
    await expect(page.locator("#services")).to_contain_text("page 2 of 40")
    await expect(rows).to_have_count(ROWS)
    await page.get_by_label("Search").fill("small-19")
    await expect(page.locator("#services")).to_contain_text("100 of 2\u202f000 services, page 1 of 2")
    await page.get_by_label("Search").fill("10.7.207.")
    await expect(rows).to_have_count(1)
    await rows.get_by_role("link", name="small-1999").click()
    await expect(page.locator("#endpoints tbody tr")).to_have_count(SMALL)

    page = await large.open("/services/large")
    endpoints = page.locator("#endpoints tbody tr")
    await expect(endpoints).to_have_count(ROWS)
    await expect(page.locator("#endpoints")).to_contain_text("page 1 of 41")
    await page.get_by_label("Search").fill("10.7.208.3:88")
    await expect(endpoints).to_have_count(1)
    assert large.seen.complaints == []


async def test_ten_thousand_events_at_once_leave_a_page_that_can_be_used(large: Large) -> None:
    page = await large.open("/events")
    rows = page.locator("#events tbody tr")
    await expect(rows).to_have_count(1)  # nothing has happened yet

    for number in range(LARGE + SMALL * (SERVICES - 1)):
        large.bench.trail.record(Event(1.0 + number, Action.CHANGED, f"change {number}", "dc1", service="large"))

    await expect(rows.first).to_contain_text("change 9999", timeout=PATIENCE)
    await expect(rows).to_have_count(LIVE_ROWS)
    await page.get_by_role("link", name="Services", exact=True).click()
    await page.get_by_label("Search").fill("large")
    await expect(page.locator("#services tbody tr")).to_have_count(1)
    assert large.seen.complaints == []
