"""What other Consul integrations got wrong, each under the name of what goes wrong there."""

from collections.abc import AsyncIterator

import pytest

from bridge.model import Health
from support.consul import ConsulAgent, consul_agent, consul_source
from support.fault_proxy import FaultProxy, fault_proxy, hang, status
from support.recording import RecordingContext, running
from support.waiting import eventually

MODES = ["per_service", "aggregate"]


@pytest.fixture
async def agent() -> AsyncIterator[ConsulAgent]:
    async with consul_agent() as agent:
        yield agent


@pytest.fixture
async def proxy(agent: ConsulAgent) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(agent.address) as proxy:
        yield proxy


async def test_untagged_instances_are_added_although_a_tag_is_asked_for(agent: ConsulAgent) -> None:
    await agent.register("web", "10.0.0.1", Tags=["edge"])
    await agent.register("web", "10.0.0.2")
    await agent.register("db", "10.0.1.1")
    context = RecordingContext()

    async with running(consul_source(agent.address, tags=["edge"]), context):
        await eventually(lambda: context.spoken)

        assert {name: set(found) for name, found in context.sink.services.items()} == {"web": {"10.0.0.1:80"}}


@pytest.mark.parametrize("mode", MODES)
async def test_service_stays_when_its_tags_stop_matching(agent: ConsulAgent, mode: str) -> None:
    await agent.register("web", "10.0.0.1", id="w1", Tags=["edge"])
    await agent.register("db", "10.0.1.1", Tags=["edge"])
    context = RecordingContext()

    async with running(consul_source(agent.address, tags=["edge"], mode=mode), context):
        await eventually(lambda: context.spoken)
        await agent.register("web", "10.0.0.1", id="w1", Tags=["other"])

        await eventually(lambda: set(context.sink.services) == {"db"})


async def test_filter_applies_to_health_reads(agent: ConsulAgent) -> None:
    await agent.register("web", "10.0.0.1", Meta={"env": "prod"})
    await agent.register("web", "10.0.0.2", Meta={"env": "test"})
    await agent.register("db", "10.0.1.1", Meta={"env": "test"})
    context = RecordingContext()

    async with running(consul_source(agent.address, filter='Service.Meta.env == "prod"'), context):
        await eventually(lambda: context.spoken)

        assert {name: set(found) for name, found in context.sink.services.items()} == {"web": {"10.0.0.1:80"}}


async def test_two_services_renamed_alike_overwrite_each_other(agent: ConsulAgent) -> None:
    await agent.register("web-v1", "10.0.0.1", Meta={"xds-service": "web"})
    await agent.register("web-v2", "10.0.0.2", Meta={"xds-service": "web"})
    context = RecordingContext()

    async with running(consul_source(agent.address), context):
        await eventually(lambda: context.spoken)

        assert context.sink.addresses("web") == {"10.0.0.1:80", "10.0.0.2:80"}


@pytest.mark.parametrize("mode", MODES)
async def test_service_that_vanishes_during_warm_up_is_waited_for_for_ever(
    agent: ConsulAgent, proxy: FaultProxy, mode: str
) -> None:
    await agent.register("web", "10.0.0.1", id="w1")
    await agent.register("slow", "10.0.1.1", id="s1")
    proxy.fault("/v1/health/service/slow", hang)
    context = RecordingContext()

    async with running(consul_source(proxy.address, mode=mode), context):
        await eventually(lambda: "web" in context.sink.services)
        assert not context.spoken
        await agent.deregister("vm1", "s1")

        await eventually(lambda: context.spoken)


async def test_catalog_without_services_is_never_ready(agent: ConsulAgent) -> None:
    context = RecordingContext()

    async with running(consul_source(agent.address), context):
        await eventually(lambda: context.spoken)

        assert context.sink.state == {"dc1": {}}


@pytest.mark.parametrize("mode", MODES)
async def test_one_failing_service_blocks_all_others(agent: ConsulAgent, proxy: FaultProxy, mode: str) -> None:
    await agent.register("web", "10.0.0.1", id="w1")
    await agent.register("bad", "10.0.1.1", id="b1")
    proxy.fault("/v1/health/service/bad", status(500, b"rpc error"))
    context = RecordingContext()

    async with running(consul_source(proxy.address, mode=mode), context):
        await eventually(lambda: context.sink.addresses("web") == {"10.0.0.1:80"})
        await eventually(lambda: len(context.failures["service 'bad'"]) > 1)
        assert not context.spoken
        proxy.heal()

        await eventually(lambda: context.spoken)
        assert context.sink.addresses("bad") == {"10.0.1.1:80"}


@pytest.mark.parametrize("mode", MODES)
async def test_scale_up_with_the_same_tags_is_missed(agent: ConsulAgent, mode: str) -> None:
    """The catalog's body stays the same then; only its index moves."""
    await agent.register("web", "10.0.0.1")
    context = RecordingContext()

    async with running(consul_source(agent.address, mode=mode), context):
        await eventually(lambda: context.spoken)
        await agent.register("web", "10.0.0.2")

        await eventually(lambda: len(context.sink.addresses("web")) == 2)


@pytest.mark.parametrize("mode", MODES)
async def test_service_without_a_passing_instance_vanishes(agent: ConsulAgent, mode: str) -> None:
    await agent.register("web", "10.0.0.1", id="w1")
    context = RecordingContext()

    async with running(consul_source(agent.address, mode=mode), context):
        await eventually(lambda: context.spoken)
        await agent.check("vm1", "alive", "critical", service_id="w1")

        await eventually(lambda: context.sink.services["web"]["10.0.0.1:80"].health is Health.UNHEALTHY)


@pytest.mark.parametrize("mode", MODES)
async def test_index_moves_on_before_the_read_it_announced_has_succeeded(
    agent: ConsulAgent, proxy: FaultProxy, mode: str
) -> None:
    """Nothing announces the change a second time."""
    await agent.register("web", "10.0.0.1")
    context = RecordingContext()

    async with running(consul_source(proxy.address, mode=mode), context):
        await eventually(lambda: context.spoken)
        proxy.fault("/v1/health/service/web", status(500, b"rpc error"))
        await agent.register("web", "10.0.0.2")
        await eventually(lambda: len(context.failures["service 'web'"]) > 1)
        assert context.sink.lost == []
        proxy.heal()

        await eventually(lambda: len(context.sink.addresses("web")) == 2)


async def test_one_failed_catalog_read_ends_discovery_for_good(agent: ConsulAgent, proxy: FaultProxy) -> None:
    proxy.fault("/v1/catalog/services", status(500, b"No cluster leader"))
    context = RecordingContext()

    async with running(consul_source(proxy.address), context):
        await eventually(lambda: len(context.failures["run"]) > 1)
        proxy.heal()
        await eventually(lambda: context.spoken)
        proxy.fault("/v1/catalog/services", status(500, b"No cluster leader"))
        await agent.register("web", "10.0.0.1")
        await eventually(lambda: len(context.failures["catalog"]) > 1)
        proxy.heal()

        await eventually(lambda: context.sink.addresses("web") == {"10.0.0.1:80"})


async def test_unknown_datacenter_removes_its_endpoints_when_another_answers(
    agent: ConsulAgent, proxy: FaultProxy
) -> None:
    await agent.register("web", "10.0.0.1")
    near, far = RecordingContext("near"), RecordingContext("far")

    async with (
        running(consul_source(proxy.address), near),
        running(consul_source(proxy.address, datacenter="elsewhere"), far),
    ):
        await eventually(lambda: near.spoken)
        await eventually(lambda: "is `datacenter` right" in far.messages)

        assert near.sink.addresses("web") == {"10.0.0.1:80"}
        assert not far.spoken


async def test_restart_of_the_adapter_forgets_what_was_known(agent: ConsulAgent) -> None:
    await agent.register("web", "10.0.0.1")
    await agent.register("db", "10.0.1.1", id="d1")
    context = RecordingContext()
    adapter = consul_source(agent.address)
    async with running(adapter, context):
        await eventually(lambda: context.spoken)

    await agent.deregister("vm1", "d1")
    async with running(adapter, context):
        await eventually(lambda: "db" not in context.sink.services)

    assert context.sink.addresses("web") == {"10.0.0.1:80"}
