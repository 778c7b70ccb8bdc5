"""Whose budget calls are taken from, when a role leads into the account that the process is in."""

from collections.abc import AsyncIterator

import pytest

from adapters._aws import AwsConfig, Cloud, connected
from support.aws import REGION, CannedAws, canned_aws, document, error, use_credentials
from support.recording import RecordingContext


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    use_credentials(monkeypatch)


@pytest.fixture
async def aws() -> AsyncIterator[CannedAws]:
    async with canned_aws() as aws:
        yield aws


OWN, OTHER = "111111111111", "222222222222"
IDENTITY = document("GetCallerIdentity", f"<GetCallerIdentityResult><Account>{OWN}</Account></GetCallerIdentityResult>")


async def budgets_of(cloud: Cloud, aws: CannedAws, *accounts: str | None) -> list[object]:
    """The budget of each account, in which a role is assumed but for None."""
    roles = [{"assume_role": f"arn:aws:iam::{each}:role/xds-bridge"} if each else {} for each in accounts]
    config = AwsConfig.model_validate({"region": REGION, "endpoint_url": aws.url, "accounts": roles})
    async with connected(config, RecordingContext(process={"aws": cloud}), ()) as apis:
        return [api.budget for api in apis]


async def test_a_role_in_the_account_of_the_process_shares_its_budget(aws: CannedAws) -> None:
    aws.on("GetCallerIdentity", IDENTITY)
    cloud = Cloud(attempts=1)

    async with cloud.joined():
        (alone,) = await budgets_of(cloud, aws, None)
        assert aws.asked("GetCallerIdentity") == [], "nobody else is there to share with"
        own, other, itself = await budgets_of(cloud, aws, OWN, OTHER, None)
        await budgets_of(cloud, aws, OWN)

        assert alone is own is itself is not other
        assert len(aws.asked("GetCallerIdentity")) == 1


async def test_an_account_that_cannot_be_found_out_holds_up_nobody(aws: CannedAws) -> None:
    aws.on("GetCallerIdentity", error(403, "AccessDenied"))

    own, itself = await budgets_of(Cloud(attempts=1), aws, OWN, None)

    assert own is not itself
