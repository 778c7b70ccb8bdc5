"""The status page in a real browser whose stream of events is refused, over an admin server with fakes behind it."""

import pytest
from playwright.async_api import Route, expect

from support.admin_bench import admin_bench
from support.browser import browser, tab


@pytest.mark.parametrize("status", [400, 503])
async def test_a_refused_stream_is_told_and_asked_for_again(status: int) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=status)

    async with admin_bench() as bench, browser() as chromium, tab(chromium) as seen:
        await seen.page.route("**/api/v1/events?*", refuse)
        await seen.page.goto(bench.url)
        await expect(seen.page.locator("#live")).to_contain_text("live updates are off")

        await seen.page.unroute("**/api/v1/events?*")
        await expect(seen.page.locator("#live[data-state=live]")).to_be_visible(timeout=30_000)
