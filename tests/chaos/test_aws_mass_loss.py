"""Sixty per cent of what there is in AWS goes missing: believed where AWS says that it has ended, held where not."""

from pathlib import Path

from support.aws_traffic import aws_site, aws_traffic
from support.waiting import eventually

GUARD = {"min_endpoints": 5}


async def test_a_mass_loss_is_believed_with_evidence_and_held_without(tmp_path: Path) -> None:
    """Five seconds of it lie between two passes that count as having missed an instance."""
    first = [f"{kind}{number}" for kind in "tv" for number in range(1, 6)]
    ended, left = [each for each in first if each[1] < "4"], [each for each in first if each[1] >= "4"]
    lost = ["t6", "t7", "t8", "v6", "v7", "v8"]
    async with aws_site(*first) as site, aws_traffic(site, tmp_path, guard=GUARD) as web:
        await web.until_serving(*first)
        site.end(*ended)
        await web.until_serving(*left)
        assert web.bridge.events("guard.held") == []

        await site.add(*lost)
        await web.until_serving(*left, *lost)
        async with web.undisturbed():
            site.forget(*lost)
            await web.until_failing("tasks")
            await eventually(lambda: bool(web.bridge.events("guard.held")), timeout=60, what="the guard holds")
        (held,) = web.bridge.events("guard.held")
        assert (held["source"], held["reason"], held["endpoints"]) == ("vms", "loss", 3)
        assert "3 of 5 tasks were not described" in await web.said("tasks")

        await site.add("t9", "v9")
        site.end("t4", "v4")
        await web.until_serving("t5", "t9", "v5", "v9", *lost)
        await web.bridge.reload(guard={**GUARD, "release_after": "1s"})
        await web.until_serving("t5", "t9", "t6", "t7", "t8", "v5", "v9")
        assert await web.answering(60) == {"t5", "t6", "t7", "t8", "t9", "v5", "v9"}
