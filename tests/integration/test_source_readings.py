"""A source that reads several regions, in the bridge as users run it: each is told of by itself."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from support.aws import CannedAws, Request, canned_aws, error, use_credentials
from support.bridge import BridgeProcess
from support.ec2 import CannedFleet, Shown
from support.fault_proxy import Response
from support.iam import judged
from support.waiting import eventually

NEAR, FAR = "self/eu-west-1", "self/us-east-1"
Readings = Mapping[str, Mapping[str, object]]


@pytest.fixture
async def aws(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CannedAws]:
    use_credentials(monkeypatch)
    async with canned_aws() as aws:
        fleet = CannedFleet()
        fleet.serve(aws)
        fleet.show(Shown("i-1"))
        yield aws


async def source(bridge: BridgeProcess) -> tuple[Mapping[str, object], Readings]:
    (found,) = cast("list[Mapping[str, object]]", (await bridge.get("/api/v1/sources"))["sources"])
    readings = cast("list[Mapping[str, object]]", found["readings"])
    return found, {str(each["name"]): each for each in readings}


async def test_a_region_that_is_denied_ages_the_source_while_the_other_goes_on(aws: CannedAws, tmp_path: Path) -> None:
    answer = aws.handler("DescribeInstances")

    def refuse_far(request: Request) -> Response:
        if judged(request).context["aws:RequestedRegion"] == "us-east-1":
            return error(403, "UnauthorizedOperation")
        answered = answer(request)
        assert isinstance(answered, Response)
        return answered

    keys = {"name": "vms", "type": "ec2", "regions": ["eu-west-1", "us-east-1"], "endpoint_url": aws.url}
    async with BridgeProcess(tmp_path, [{**keys, "interval": "100ms", "api_budget": 5}]) as bridge:
        _, readings = await source(bridge)
        assert {name: each["failing_since"] for name, each in readings.items()} == {NEAR: None, FAR: None}
        assert cast("Mapping[str, object]", readings[NEAR]["poll"]) == {
            "place": NEAR,
            "calls": {"ec2.DescribeInstances": 1},
            "configured_interval": 0.1,
            "interval": 0.2,
            "budget": 5,
        }

        aws.on("DescribeInstances", refuse_far)
        await eventually(lambda: _is_failing(bridge, FAR))
        found, before = await source(bridge)
        await eventually(lambda: _succeeded_after(bridge, NEAR, before))
        later, after = await source(bridge)
        metrics = await bridge.metrics()

    assert after[NEAR]["failing_since"] is None
    assert after[FAR]["last_success"] == before[FAR]["last_success"] == found["last_success"] == later["last_success"]
    (failure,) = cast("list[Mapping[str, object]]", later["failures"])
    assert (failure["reading"], failure["missing"]) == (FAR, ["ec2:DescribeInstances"])
    assert metrics['xds_bridge_source_last_success_timestamp_seconds{source="vms"}'] == later["last_success"]
    assert metrics[f'xds_bridge_source_poll_interval_seconds{{place="{NEAR}",source="vms"}}'] == 0.2
    assert metrics[f'xds_bridge_source_poll_calls{{place="{NEAR}",source="vms"}}'] == 1


async def _is_failing(bridge: BridgeProcess, name: str) -> bool:
    _, readings = await source(bridge)
    return readings[name]["failing_since"] is not None


async def _succeeded_after(bridge: BridgeProcess, name: str, before: Readings) -> bool:
    _, readings = await source(bridge)
    return cast("float", readings[name]["last_success"]) > cast("float", before[name]["last_success"])
