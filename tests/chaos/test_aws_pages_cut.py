"""Lists of ECS and EC2 break off in the middle: a pass that has not seen everything takes nothing away."""

from pathlib import Path

from support.aws import error
from support.aws_traffic import LATER_PAGES, aws_site, aws_traffic
from support.fault_proxy import rewritten, truncated

INVALID_TOKEN = rewritten(lambda _: error(400, "InvalidNextToken"))


async def test_pages_that_are_missing_take_nobody_away(tmp_path: Path) -> None:
    async with aws_site("t1", "t2", "t3", "v1", "v2", "v3") as site:
        site.in_pages()
        async with aws_traffic(site, tmp_path) as web:
            await web.until_serving("t1", "t2", "t3", "v1", "v2", "v3")
            async with web.undisturbed():
                for later, fault in zip(LATER_PAGES, (truncated, INVALID_TOKEN), strict=True):
                    site.proxy.fault("/", fault, containing=later)
                await web.until_failing("tasks", "vms")

            site.end("t3", "v3")
            await web.until_serving("t1", "t2", "v1", "v2", "v3")  # known tasks are asked for all the same

            site.proxy.heal()
            site.in_pages()
            await site.add("t4", "v4")
            await web.until_serving("t1", "t2", "t4", "v1", "v2", "v4")
            assert await web.answering(60) == {"t1", "t2", "t4", "v1", "v2", "v4"}
