"""The machine's metadata hangs, or is not there, when the bridge starts: others are served, and it is asked again."""

from pathlib import Path

from support.aws_traffic import AwsTraffic, aws_site, aws_traffic
from support.endpoints_file import EndpointsFile
from support.listening import listening
from support.metadata import Metadata, metadata_only
from support.tcp_proxy import tcp_proxy
from support.waiting import eventually


async def tried(web: AwsTraffic) -> int:
    """How often the source has failed so far."""
    failures = (await web.source("vms"))["failures"]
    assert isinstance(failures, list)
    return int(failures[0]["attempts"])


async def tried_again(web: AwsTraffic, before: int) -> bool:
    return await tried(web) > before


async def test_a_source_that_waits_for_metadata_holds_up_neither_start_nor_others(tmp_path: Path) -> None:
    file, metadata = EndpointsFile(tmp_path / "endpoints.json"), Metadata(zone="eu-west-1a", hanging=True)
    async with aws_site("v1") as site, listening(metadata.serve) as port, tcp_proxy(port) as way:
        file.set("web", [await site.running.start("f1")])
        sources = (file.source(), site.vms(region=None, required=False))
        variables = metadata_only(way.port)
        async with aws_traffic(site, tmp_path, *sources, environment=variables, startup_grace="500ms") as web:
            await eventually(lambda: metadata.asked != [], what="the metadata is asked")
            async with web.undisturbed():
                await web.until_failing("vms")
                await way.stop()
                attempts = await tried(web)
                await eventually(lambda: tried_again(web, attempts), timeout=60, what="no metadata service at all")
            assert "nothing names a region" in await web.said("vms")
            file.set("web", [site.running.addresses["f1"], await site.running.start("f2")])
            await web.until_serving("f1", "f2")

            metadata.hanging = False
            await way.start()
            await web.until_serving("f1", "f2", "v1")
            await site.add("v2")
            await web.until_serving("f1", "f2", "v1", "v2")
            assert await web.answering(60) == {"f1", "f2", "v1", "v2"}
