"""AWS throttles every call for a while: it is asked less often, all that is known stays, and other sources go on."""

from pathlib import Path

from support.aws import error, json_error
from support.aws_traffic import EC2_CALLS, ECS_CALLS, AwsTraffic, aws_site, aws_traffic
from support.endpoints_file import EndpointsFile
from support.fault_proxy import FaultProxy, rewritten, status
from support.waiting import eventually


def throttle(proxy: FaultProxy) -> None:
    """As ECS says it, as EC2 does, and as something in between may."""
    proxy.fault("/", rewritten(lambda _: json_error(400, "ThrottlingException", "Rate exceeded")), containing=ECS_CALLS)
    proxy.fault("/", rewritten(lambda _: error(503, "RequestLimitExceeded")), containing=EC2_CALLS)
    proxy.fault("/", status(429), containing=b".ListTasks")


async def stretch(web: AwsTraffic, source: str) -> float:
    """How much longer than configured the interval of a source is now."""
    readings = (await web.source(source))["readings"]
    assert isinstance(readings, list)
    (poll,) = [each["poll"] for each in readings if each["poll"]]
    return float(poll["interval"] / poll["configured_interval"])


async def test_throttling_makes_passes_rarer_and_holds_up_no_other_source(tmp_path: Path) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    async with aws_site("t1", "v1") as site:
        file.set("web", [await site.running.start("f1")])
        async with aws_traffic(site, tmp_path, site.tasks(), site.vms(), file.source()) as web:
            await web.until_serving("f1", "t1", "v1")
            async with web.undisturbed():
                throttle(site.proxy)
                await web.until_failing("tasks", "vms")
            assert [await stretch(web, each) >= 2 for each in ("tasks", "vms")] == [True, True]

            file.set("web", [site.running.addresses["f1"], await site.running.start("f2")])
            await web.until_serving("f1", "f2", "t1", "v1")
            await web.until_failing("tasks", "vms")

            site.proxy.heal()
            await site.add("t2", "v2")
            await web.until_serving("f1", "f2", "t1", "t2", "v1", "v2")
            for source in ("tasks", "vms"):
                await eventually(lambda: as_configured(web, source), what=f"{source} as often as configured")  # noqa: B023 (awaited here)
            assert await web.answering(60) == {"f1", "f2", "t1", "t2", "v1", "v2"}


async def as_configured(web: AwsTraffic, source: str) -> bool:
    return await stretch(web, source) == 1
