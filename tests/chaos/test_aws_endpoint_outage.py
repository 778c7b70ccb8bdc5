"""The endpoints of AWS hang, refuse connections or fail: requests through Envoy go on, and healing is followed."""

from pathlib import Path

from support.aws import error
from support.aws_traffic import ECS_CALLS, aws_site, aws_traffic
from support.fault_proxy import hang, rewritten
from support.tcp_proxy import tcp_proxy


async def test_endpoints_that_answer_nothing_take_nobody_away(tmp_path: Path) -> None:
    """Several seconds of it are the SDK's: it tries each call four times, later each time."""
    async with aws_site("t1", "v1") as site, tcp_proxy(site.proxy.port) as way:
        tasks, vms = site.tasks(timeout="500ms"), site.vms(endpoint_url=f"http://127.0.0.1:{way.port}")
        async with aws_traffic(site, tmp_path, tasks, vms) as web:
            await web.until_serving("t1", "v1")
            async with web.undisturbed():
                site.proxy.fault("/", hang, containing=ECS_CALLS)
                await way.stop()
                await web.until_failing("tasks", "vms")
                assert "timeout" in (await web.said("tasks")).lower()
                assert "Could not connect" in await web.said("vms")

                site.proxy.heal()
                site.proxy.fault("/", rewritten(lambda _: error(500, "InternalError")))
                await way.start()
                await web.until_said("vms", "what is known stays until AWS answers again")

            site.proxy.heal()
            await site.add("t2", "v2")
            await web.until_serving("t1", "t2", "v1", "v2")
            await web.until_failing()
            assert await web.answering(60) == {"t1", "t2", "v1", "v2"}
