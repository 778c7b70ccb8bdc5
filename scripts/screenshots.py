"""Takes the pictures of the status page that the documentation shows, of a real bridge in a real browser.

Called by `make screenshots`. They are looked at before they are committed: no test compares them.
"""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser, ViewportSize

from scripts.step import ROOT, say
from support.browser import PHONE, browser, tab
from support.shown_world import World, envoys, shown_world

IMAGES = ROOT / "docs" / "images"
DESK = ViewportSize(width=1280, height=1000)
MOST = 300_000
"""Bytes of a picture."""

SERVICES = {"payments": 6, "checkout": 8, "search": 12, "ledger": 3, "images": 9, "login": 4, "mail": 2, "stock": 5}
FLEET = (
    *((f"edge-{number}", "edge") for number in range(1, 9)),
    *((f"gateway-{number}", "gateway") for number in range(1, 5)),
    *((f"worker-{number}", "workers") for number in range(1, 7)),
)


async def main() -> None:
    """Take them all."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with shown_world(Path(folder)) as world, browser() as started:
            for service, count in SERVICES.items():
                for number in range(count):
                    await world.register(service, number)
            async with envoys(world, FLEET, refusing="edge-3"):
                await world.register("payments", 7)
                await world.lose()
                await take(world, started)


async def take(world: World, started: Browser) -> None:
    """The overview by day, by night and on a phone, and a list."""
    await picture(world, started, "/", "status")
    await picture(world, started, "/", "status-dark", dark=True)
    await picture(world, started, "/", "status-phone", PHONE)
    await picture(world, started, "/services", "services")


async def picture(
    world: World, started: Browser, path: str, name: str, size: ViewportSize = DESK, *, dark: bool = False
) -> None:
    """One picture; what is on the page has to be there before it is taken."""
    image = IMAGES / f"{name}.png"
    async with tab(started, size, dark=dark) as seen:
        await seen.open(world.url(path))
        await seen.page.screenshot(path=image)
    length = image.stat().st_size
    if length > MOST:
        raise SystemExit(f"screenshots: {image.name} has {length} bytes; at most {MOST} are committed")
    say(f"docs/images/{image.name}, {length} bytes")


if __name__ == "__main__":
    asyncio.run(main())
