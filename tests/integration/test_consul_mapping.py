"""What a real Consul says, row by row, as the bridge's services and endpoints."""

from collections.abc import AsyncIterator

import pytest

from adapters.consul import Config, ConsulAdapter
from bridge.model import Endpoint, Locality
from support.consul import ConsulAgent, consul_agent
from support.recording import RecordingContext, running
from support.waiting import eventually


@pytest.fixture
async def agent() -> AsyncIterator[ConsulAgent]:
    async with consul_agent() as agent:
        yield agent


async def read(agent: ConsulAgent, **config: object) -> RecordingContext:
    """Everything the adapter reports of the catalog as it is."""
    context = RecordingContext()
    adapter = ConsulAdapter(Config.model_validate({"address": agent.address, **config}))
    async with running(adapter, context):
        await eventually(lambda: context.spoken, what="the source has spoken")
    assert not context.failures, context.messages
    return context


def only(context: RecordingContext, service: str) -> Endpoint:
    (endpoint,) = context.sink.services[service].values()
    return endpoint


async def test_instance_becomes_an_endpoint(agent: ConsulAgent) -> None:
    await agent.register("web", "10.0.0.1", id="w1", port=8080)

    context = await read(agent)

    assert only(context, "web") == Endpoint("10.0.0.1", 8080, locality=Locality("dc1"), instance="vm1/w1")  # type: ignore[arg-type]  # a NewType of str
    assert "dc1/web" in context.sink.state


async def test_servers_themselves_are_no_service(agent: ConsulAgent) -> None:
    assert (await read(agent)).sink.services == {}
