"""Whoever has only the page, or only the commands, finds what is wrong and what to do: a typo, a right, a template."""

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page, expect

from support.bridge import BridgeProcess, Json
from support.browser import browser, tab
from support.command import command
from support.consul import ConsulAgent, consul_agent
from support.consul_rights import READ_ALL, Rights, granted
from support.envoy import envoy
from support.envoy_content import BAD_TEMPLATE, Bad
from support.transports import Bootstrap, Transport
from support.waiting import eventually

PATIENCE = 60.0
MISTAKEN = "10.9.0.1"
SHOWN = int(1000 * PATIENCE)
"""Milliseconds for what the page must show sooner or later."""


@dataclass(frozen=True)
class Situation:
    """Something that is wrong, and where a person who does not know it finds it."""

    about: str
    """What the finding is about."""
    wrong: tuple[str, ...]
    """What the finding says, what to do included."""
    place: str
    """Where the link of the finding leads."""
    there: str
    """The section of that page that says it too."""
    typed: str
    """The command that the finding names."""
    answer: tuple[str, ...]
    """What that command says."""


TYPO = Situation(
    "web",
    (f"{MISTAKEN}:80 of dc1 is set aside", "label 'xds-wieght'", "did you mean 'xds-weight'?"),
    "/services/web#set-aside",
    "#set-aside",
    "xds-bridge explain web",
    ("instance 'i' on node 'typo': label 'xds-wieght'", "did you mean 'xds-weight'? — mend it there"),
)
RIGHTS = Situation(
    "dc1",
    ("keeps what it had", "has the token lost its rights?"),
    "/#sources",
    "#sources",
    "xds-bridge check --live",
    ("source dc1 (consul) is not well", "the ACL token is missing, or lacks node:read"),
)
TEMPLATE = Situation(
    "test",
    ("Rejects the cluster other", "value is required", "Mend the cluster's template (`services[].cluster`"),
    "/envoys?state=refused",
    "#envoys",
    "xds-bridge envoys test",
    ("clusters     other", "value is required", "Mend the cluster's template (`services[].cluster`"),
)
ALL = (TYPO, RIGHTS, TEMPLATE)


@dataclass
class World:
    """A Consul with rights, a bridge and an Envoy, which are well until something is broken."""

    consul: ConsulAgent
    rights: Rights
    bridge: BridgeProcess

    async def break_all(self) -> None:
        """The rights last: a source without them no longer sees what is mistaken."""
        await self.consul.register("web", MISTAKEN, node="typo", id="i", Meta={"xds-wieght": "3"})
        await self.until_found(TYPO)
        bad = {"match": "other", "cluster": BAD_TEMPLATE[Bad.UNREAD]}
        assert (await self.bridge.reload(services=[bad]))["ok"]
        await self.rights.change("")
        await self.until_found(*ALL)

    async def mend_all(self) -> None:
        """As the findings say."""
        await self.rights.change(READ_ALL)
        await self.consul.register("web", MISTAKEN, node="typo", id="i", Meta={"xds-weight": "3"})
        assert (await self.bridge.reload(services=[]))["ok"]
        await self.until_found()

    async def until_found(self, *situations: Situation) -> None:
        """Wait until these are the findings, and nothing else."""
        expected = {each.about for each in situations}

        async def found() -> bool:
            listed = (await self.bridge.get("/api/v1/status"))["findings"]
            assert isinstance(listed, list)
            return {each["about"] for each in listed} == expected

        await eventually(found, timeout=PATIENCE, what=f"what is found is about {expected}")


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    async with consul_agent(acl=True) as consul:
        rights = await granted(consul, directory / "token")
        for service, address in (("web", "10.9.0.4"), ("other", "10.9.0.5")):
            await consul.register(service, address, node=service, id="i")
        token = {"token_file": str(rights.file)}
        # A short wait, so that a token without rights is noticed within the test.
        dc1: Json = {"name": "dc1", "type": "consul", "address": consul.address, "wait": "1s", **token}
        async with BridgeProcess(directory / "bridge", [dc1]) as bridge:
            bootstrap = Bootstrap(Transport.DELTA_ADS, [bridge.xds_port], "web")
            async with envoy(bootstrap.config, directory):
                yield World(consul, rights, bridge)


async def test_each_broken_thing_is_found_by_the_page_alone_and_by_the_commands_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as here, browser() as chromium, tab(chromium) as seen:
        await seen.open(here.bridge.url("/"))
        await expect(seen.page.locator("#findings")).to_have_text("Nothing needs a person.")

        await here.break_all()
        for situation in ALL:
            await _by_the_page(seen.page, situation)
        await _by_the_commands(here)

        await here.mend_all()
        await expect(seen.page.locator("#findings")).to_have_text("Nothing needs a person.", timeout=SHOWN)
        for action in ("set aside", "failed", "recovered", "rejected"):
            await expect(seen.page.locator("#events")).to_contain_text(action)
        assert seen.complaints == []


async def _by_the_page(page: Page, situation: Situation) -> None:
    """Without a click what is wrong, what to do and what to type; with one click the thing itself."""
    about = page.get_by_role("link", name=situation.about, exact=True)
    found = page.locator("#findings li").filter(has=about)
    await expect(found).to_have_count(1, timeout=SHOWN)
    for words in situation.wrong:
        await expect(found).to_contain_text(words)
    await expect(found.locator("code")).to_have_text(situation.typed)

    await found.get_by_role("link").click()
    await page.wait_for_url(f"**{situation.place}")
    await expect(page.locator(situation.there)).to_contain_text(situation.wrong[1])
    await page.get_by_role("link", name="Overview", exact=True).click()


async def _by_the_commands(here: World) -> None:
    """With one command what is wrong and what to type; with what it says to type, what to do."""
    status = await command("status", "--config", here.bridge.config)
    lines = status.output.splitlines()
    assert status.status == 1
    for situation in ALL:
        (place,) = (place for place, line in enumerate(lines) if line.startswith(f"! {situation.about}: "))
        assert all(words in lines[place] for words in situation.wrong), lines[place]
        typed = lines[place + 1].removeprefix("    $ ")
        assert typed == f"{situation.typed} --config {here.bridge.config}"

        answer = await command(*shlex.split(typed)[1:])

        assert all(words in answer.output for words in situation.answer), answer.output
