"""Envoy quotes the whole cluster that it rejects; what a template hides in it is shown to nobody, and the reason is."""

import uuid
from pathlib import Path

import pytest

from bridge.redaction import REDACTED
from support.command import command
from support.confidential import hand_out, require_none
from support.file_traffic import PATIENCE, FileTraffic, file_traffic
from support.transports import Transport
from support.waiting import eventually

REASON = "value is required"


def template(secret: str) -> dict[str, object]:
    """A cluster that Envoy refuses, because its health check has no timeout, with a header that proves who asks."""
    header = {"header": {"key": "x-api-key", "value": secret}}
    many = [{"header": {"key": f"x-{number}", "value": "a" * 40}} for number in range(20)]
    check = {"path": "/", "request_headers_to_add": [*many, header]}
    return {"health_checks": [{"interval": "1s", "http_health_check": check}]}


async def rejecting(world: FileTraffic) -> bool:
    return (await world.bridge.metrics())['xds_bridge_xds_rejecting_clients{type="cluster"}'] == 1


@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_the_reason_is_told_and_what_a_template_hides_is_not(tmp_path: Path, transport: Transport) -> None:
    secret = hand_out(uuid.uuid4().hex)
    async with file_traffic(tmp_path, transport) as world:
        world.file.set("other", [world.backends.addresses["a"]])
        await world.until_stat("cluster_manager.active_clusters", 3)

        assert (await world.bridge.reload(services=[{"match": "other", "cluster": template(secret)}]))["ok"]
        await eventually(lambda: rejecting(world), timeout=PATIENCE, what="Envoy rejects the cluster")
        url = f"http://127.0.0.1:{world.bridge.admin_port}"
        told = [
            await command(verb, *rest, "--admin", url) for verb, *rest in (["status"], ["envoys"], ["explain", "other"])
        ]
        logged = world.bridge.events("stream.nacked")

    for outcome in told:
        require_none(outcome.output, "the command")
        assert REASON in outcome.output
    said = str(logged[0]["error"])
    assert (REASON in said, "x-api-key" in said, REDACTED in said) == (True, True, True)
