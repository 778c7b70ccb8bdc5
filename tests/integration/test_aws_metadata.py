"""Region and credentials from the machine's metadata (IMDS), with version 2 of it only."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters._aws import AwsError, Cloud
from support.aws import CannedAws, canned_aws, document, use_credentials
from support.ec2 import CannedFleet, Shown, failures, reading
from support.listening import listening
from support.metadata import Metadata, metadata_only
from support.waiting import eventually


@pytest.fixture
async def metadata(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Metadata]:
    use_credentials(monkeypatch)
    metadata = Metadata()
    async with listening(metadata.serve) as port:
        for name, value in metadata_only(port).items():
            monkeypatch.setenv(name, value)
        yield metadata


@pytest.fixture
async def aws() -> AsyncIterator[CannedAws]:
    async with canned_aws() as aws:
        yield aws


async def test_an_instance_needs_neither_a_region_nor_credentials_in_its_configuration(
    metadata: Metadata, aws: CannedAws
) -> None:
    fleet = CannedFleet()
    fleet.show(Shown("i-1"))
    fleet.serve(aws)

    async with reading(aws, Cloud(attempts=1), region=None) as source:
        await eventually(lambda: source.spoken)

        assert set(source.sink.state) == {"self/us-west-2"}
        assert "ASIAINSTANCE" in aws.requests[0].headers["authorization"]
        assert all(token for method, _, token in metadata.asked if method == "GET")


async def test_a_refused_token_is_no_reason_to_ask_version_1(metadata: Metadata, aws: CannedAws) -> None:
    metadata.tokens = False
    aws.on("DescribeInstances", document("DescribeInstances", "<reservationSet/>"))

    async with reading(aws, Cloud(attempts=1), region="eu-west-1") as source:
        await failures(source, 1)

        assert {method for method, _, _ in metadata.asked} == {"PUT"}
        assert aws.requests == []
        ((error,),) = ([*errors][:1] for errors in source.failures.values())
        assert isinstance(error, AwsError)


async def test_a_source_that_looks_for_its_region_can_be_cancelled(
    aws: CannedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_credentials(monkeypatch)
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    asked, over, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await over.wait()
        writer.close()
        await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    async with reading(aws, Cloud(attempts=1), region=None):  # must end within a second of being cancelled
        await asked.wait()

    over.set()
    server.close()
    await closed.wait()
