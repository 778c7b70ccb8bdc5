"""The status page in a real browser, over a bridge with a real Consul, a file, and Envoys that follow it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from bridge.admin.live import CLIENTS
from support.browser import PHONE, browser, tab
from support.shown_world import HOSTILE, REFUSED, TYPO, World, envoys, shown_world
from support.waiting import eventually

FLEET = (("edge-1", "edge"), ("edge-2", "edge"), ("jobs-1", "jobs"))
PAGES = ("/", "/services", "/services/api", "/envoys", "/events", "/config")

INLINE = """() => new Promise((resolve) => {
  document.addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective));
  const script = document.createElement("script");
  script.textContent = "document.title = 'inline'; ";
  document.body.append(script);
  setTimeout(() => resolve("nothing"), 5000);
})"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with shown_world(tmp_path, mistaken=HOSTILE) as world:
        yield world


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with browser() as started:
        yield started


async def test_a_person_sees_what_is_wrong_and_what_changes(world: World, chromium: Browser) -> None:
    async with tab(chromium) as seen:
        async with envoys(world, FLEET, refusing="edge-2"):
            await seen.open(world.url())
            await _what_is_wrong(seen.page)
            await _what_changes(seen.page, world)
            await _drill_down(seen.page)

        # A text that slipped through could not act: nothing inline runs, and nothing comes from elsewhere.
        assert await seen.page.evaluate(INLINE) == "script-src-elem"
        assert await seen.page.title() != "inline"
        assert all(url.startswith(world.url("/")) for url in seen.requested)
        assert [text for text in seen.complaints if "Content Security Policy" not in text] == []

        # The bridge ends at once although somebody looks at it, and the page says so.
        assert await world.bridge.terminate() == 0
        await expect(seen.page.locator("#live")).to_contain_text("does not answer")


@asynccontextmanager
async def _everybody_follows(world: World) -> AsyncIterator[None]:
    """While as many follow what happens as may."""
    url, accept = world.url("/api/v1/events"), {"Accept": "text/event-stream"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, AsyncExitStack() as streams:
        for _ in range(CLIENTS):
            response = await streams.enter_async_context(session.get(url, headers=accept))
            assert response.status == 200
        yield


async def _what_is_wrong(page: Page) -> None:
    """It stands at the top, with the command to type."""
    findings = page.locator("#findings")
    await expect(findings).to_contain_text(REFUSED)
    await expect(findings).to_contain_text("xds-bridge envoys edge-2")
    await expect(findings).to_contain_text(f"label '{TYPO}'")
    await expect(page.locator("#tiles")).to_contain_text("2 of 3")
    await expect(page.locator("svg.flow")).to_contain_text("1 of 2 in sync")


async def _what_changes(page: Page, world: World) -> None:
    """A registration in Consul, and what the guard holds, are there without a reload."""
    await page.evaluate("window.unloaded = false; addEventListener('pagehide', () => { window.unloaded = true; })")
    await world.register("brandnew", 1)
    await expect(page.locator("svg.flow")).to_contain_text("brandnew", timeout=20_000)
    await expect(page.locator("#events")).to_contain_text("10.0.8.11:8080")
    await expect(page.locator("#tiles")).to_contain_text("in 4 services")

    await world.lose()
    findings = page.locator("#findings")
    await expect(findings).to_contain_text("xds-bridge guard release batch", timeout=20_000)
    await expect(page.locator("#announced")).to_contain_text("batch")
    assert await page.evaluate("window.unloaded") is False


async def _drill_down(page: Page) -> None:
    """From the list, by what is typed, to a service and the reason why an instance of it is not there."""
    await page.get_by_role("link", name="Services", exact=True).click()
    await page.get_by_label("Search").fill("ap")
    await expect(page.locator("#services")).to_contain_text("1 of 4 services")
    assert page.url.endswith("?q=ap")
    await page.locator("#services").get_by_role("link", name="api").click()
    await expect(page.locator("#endpoints")).to_contain_text("10.0.3.13:8080")
    await expect(page.locator("#set-aside")).to_contain_text(HOSTILE)
    assert await page.locator("img[onerror]").count() == 0
    await page.get_by_role("combobox", name="Health").select_option("unhealthy")
    await expect(page.locator("#endpoints")).to_contain_text("1 of 4 endpoints")


async def test_a_page_that_comes_too_many_says_so_and_is_live_as_soon_as_it_can(
    world: World, chromium: Browser
) -> None:
    async with tab(chromium) as seen:
        async with _everybody_follows(world):
            await seen.page.goto(world.url())
            await expect(seen.page.locator("#live")).to_contain_text("not live")
        await expect(seen.page.locator("#live")).to_have_text("live", timeout=20_000)


async def test_a_page_of_something_that_ends_meanwhile_says_that_it_is_old(world: World, chromium: Browser) -> None:
    attic = {"address": "10.3.1.1", "port": 80, "zone": "attic"}
    others = [{"address": f"10.3.0.{number}", "port": 80} for number in range(1, 15)]
    world.batch.replace({"batch": [*others, attic]})
    async with tab(chromium) as seen:
        await eventually(lambda: _answers(world, "/services?zone=attic"), what="the zone")
        await seen.open(world.url("/services?zone=attic"))

        world.batch.replace({"batch": others})
        await expect(seen.page.locator("#live")).to_contain_text("the bridge no longer has what is shown here")

        world.batch.replace({"batch": [*others, attic]})
        await expect(seen.page.locator("#live")).to_have_text("live", timeout=30_000)


async def _answers(world: World, path: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(world.url(path)) as answer:
        return answer.ok


async def test_without_scripts_on_a_phone_and_by_keyboard(world: World, chromium: Browser) -> None:
    async with tab(chromium, PHONE, scripts=False) as plain:
        page = plain.page
        await page.goto(world.url("/services"))
        await page.get_by_label("Search").fill("web")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator("#services")).to_contain_text("1 of 3 services")
        await page.get_by_role("link", name="web", exact=True).click()
        await expect(page.locator("#endpoints")).to_contain_text("10.0.3.10:8080")
        await page.goto(world.url("/events?source=dc1"))
        await expect(page.locator("#events tbody tr").first).to_contain_text("dc1")
        assert plain.complaints == []

    async with tab(chromium, PHONE, dark=True) as phone:
        for path in PAGES:
            await phone.open(world.url(path))
            assert await phone.fits(), f"{path} is wider than a phone"
        assert phone.complaints == []

    async with tab(chromium) as seen:
        await seen.open(world.url())
        await _by_keyboard(seen.page)


async def _by_keyboard(page: Page) -> None:
    """Past the menu by the first link, then to a service in the picture, and into it."""
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    assert await skip.evaluate("(link) => link.getBoundingClientRect().left >= 0"), (
        "the link is shown when it has focus"
    )
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    service = page.locator("svg.flow a[href='/services/web']")
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await service.evaluate("(link) => link === document.activeElement"):
            break
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or await page.evaluate("document.activeElement.matches('svg a')"), "focus is seen"
    await expect(service).to_be_focused()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/services/web")
