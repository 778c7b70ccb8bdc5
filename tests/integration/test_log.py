"""What the log of a bridge holds: a quiet day in a few lines, a failure once, and never a secret."""

import uuid
from pathlib import Path

import pytest

from bridge.model import EndpointKey
from support.bridge import BridgeProcess
from support.command import command
from support.confidential import hand_out, require_none_written
from support.endpoints_file import EndpointsFile
from support.waiting import eventually

WEB = EndpointKey("10.0.0.1", 80)


def told(bridge: BridgeProcess) -> list[str]:
    """The events in the log, each with its level."""
    return [f"{record['level']} {record['event']}" for record in bridge.records()]


async def reads(bridge: BridgeProcess, result: str) -> float:
    """How often the source was read so far."""
    return (await bridge.metrics()).get(f'xds_bridge_source_reads_total{{result="{result}",source="local"}}', 0)


async def more_reads(bridge: BridgeProcess, result: str, count: int) -> None:
    until = await reads(bridge, result) + count

    async def done() -> bool:
        return await reads(bridge, result) >= until

    await eventually(done, timeout=60, what=f"{count} more reads, {result}")


async def test_a_quiet_day_is_a_few_lines_and_a_failure_is_told_once_with_what_is_kept(tmp_path: Path) -> None:
    endpoints = EndpointsFile(tmp_path / "endpoints.json")
    endpoints.set("web", [WEB])
    async with BridgeProcess(tmp_path, [endpoints.source()]) as bridge:
        await more_reads(bridge, "ok", 20)
        quiet = told(bridge)

        endpoints.path.write_text("services: [")
        await more_reads(bridge, "error", 5)
        endpoints.write()
        await more_reads(bridge, "ok", 5)
        await bridge.terminate()

        (failure,) = bridge.events("source.failed")
        assert quiet == ["info bridge.started", "info bridge.ready", "info service.changed"]
        assert told(bridge)[3:] == [
            "warning source.failed",
            "info source.recovered",
            "info bridge.stopping",
            "info bridge.stopped",
        ]
        assert failure["endpoints_kept"] == 1
        assert str(endpoints.path) in str(failure["error"])


async def test_a_secret_in_the_log_or_in_an_answer_fails_whatever_test_hands_it_out(tmp_path: Path) -> None:
    secret = uuid.uuid4().hex
    endpoints = EndpointsFile(tmp_path / "endpoints.json")
    endpoints.set(secret, [WEB])
    bridge = BridgeProcess(tmp_path, [endpoints.source()])
    async with bridge:
        await eventually(lambda: bool(bridge.events("service.changed")), what="the name is in the log")

        hand_out(secret)

        with pytest.raises(AssertionError, match=secret):
            await bridge.get("/api/v1/services")
        with pytest.raises(AssertionError, match=secret):
            await command("services", "--admin", bridge.url(""), "-o", "json")
        with pytest.raises(AssertionError, match=secret):
            bridge.require_proper_log()
        with pytest.raises(AssertionError, match=secret):
            require_none_written()
        bridge.log.write_text("")
