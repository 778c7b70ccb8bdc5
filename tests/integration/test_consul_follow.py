"""Every kind of change in a real catalog is followed, whichever way it is watched for."""

from collections.abc import AsyncIterator

import pytest

from bridge.model import Endpoint, Health
from support.consul import ConsulAgent, consul_agent, consul_source
from support.recording import RecordingContext, running
from support.waiting import eventually


@pytest.fixture
async def agent() -> AsyncIterator[ConsulAgent]:
    async with consul_agent() as agent:
        await agent.register("web", "10.0.0.1", id="w1")
        await agent.register("db", "10.0.1.1", id="d1", node="vm2")
        yield agent


@pytest.fixture(params=["per_service", "aggregate"])
async def source(agent: ConsulAgent, request: pytest.FixtureRequest) -> AsyncIterator[RecordingContext]:
    """What a running adapter reports of the agent; it has spoken."""
    context = RecordingContext()
    async with running(consul_source(agent.address, mode=request.param), context):
        await eventually(lambda: context.spoken)
        yield context
        assert not context.failures, context.messages


def web(source: RecordingContext) -> Endpoint:
    (endpoint,) = source.sink.services["web"].values()
    return endpoint


async def test_instance_comes_and_goes(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.register("web", "10.0.0.2", id="w2")
    await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:80", "10.0.0.2:80"})

    await agent.deregister("vm1", "w1")
    await eventually(lambda: source.sink.addresses("web") == {"10.0.0.2:80"})

    assert source.sink.lost == ["10.0.0.1:80"]


async def test_the_catalog_has_been_read_before_anything_in_it_changes(source: RecordingContext) -> None:
    assert source.successes["catalog"] == 1


async def test_service_comes_and_goes(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.register("new", "10.0.2.1", id="n1")
    await eventually(lambda: source.sink.addresses("new") == {"10.0.2.1:80"})

    await agent.deregister("vm1", "n1")
    await eventually(lambda: "new" not in source.sink.services)

    assert source.sink.lost == ["10.0.2.1:80"]


async def test_last_service_goes(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.deregister("vm2", "d1")
    await eventually(lambda: "db" not in source.sink.services)

    await agent.deregister("vm1", "w1")
    await eventually(lambda: source.sink.services == {})


async def test_check_of_an_instance_flaps(agent: ConsulAgent, source: RecordingContext) -> None:
    for status, health in (("passing", Health.HEALTHY), ("critical", Health.UNHEALTHY), ("passing", Health.HEALTHY)):
        await agent.check("vm1", "alive", status, service_id="w1")
        await eventually(lambda health=health: web(source).health is health)  # type: ignore[misc]  # bound per round


async def test_check_of_a_node_reaches_all_its_services(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.register("api", "10.0.2.1", id="a1")
    await eventually(lambda: source.sink.addresses("api") == {"10.0.2.1:80"})

    await agent.check("vm1", "disk", "critical")

    await eventually(
        lambda: (
            {source.sink.services[name][key].health for name, key in (("web", "10.0.0.1:80"), ("api", "10.0.2.1:80"))}
            == {Health.UNHEALTHY}
        )
    )
    assert source.sink.services["db"]["10.0.1.1:80"].health is Health.HEALTHY


async def test_maintenance_drains(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.register_local({"Name": "local", "ID": "l1", "Address": "10.0.3.1", "Port": 80})
    await eventually(lambda: source.sink.addresses("local") == {"10.0.3.1:80"})

    for path in ("/v1/agent/service/maintenance/l1", "/v1/agent/maintenance"):
        for enable, health in (("true", Health.DRAINING), ("false", Health.HEALTHY)):
            await agent.put(f"{path}?enable={enable}")
            await eventually(
                lambda health=health: source.sink.services["local"]["10.0.3.1:80"].health is health  # type: ignore[misc]  # bound per round
            )


async def test_weight_meta_port_and_tagged_address_change(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.register("web", "10.0.0.1", id="w1", Weights={"Passing": 5, "Warning": 1})
    await eventually(lambda: web(source).weight == 5)

    await agent.register("web", "10.0.0.1", id="w1", Meta={"zone": "z2"})
    await eventually(lambda: web(source).locality.zone == "z2")

    await agent.register("web", "10.0.0.1", id="w1", port=8080)
    await eventually(lambda: web(source).port == 8080)


async def test_address_and_meta_of_a_node_change(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.register("web", "", id="w1")
    await eventually(lambda: web(source).address == "10.9.9.9")

    await agent.register("web", "", id="w1", NodeAddress="10.9.9.7", NodeMeta={"zone": "z9"})

    await eventually(lambda: (web(source).address, web(source).locality.zone) == ("10.9.9.7", "z9"))


async def test_node_is_lost(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.register("web", "10.0.0.2", id="w2", node="vm2")
    await eventually(lambda: len(source.sink.addresses("web")) == 2)

    await agent.deregister("vm2")

    await eventually(lambda: set(source.sink.services) == {"web"})
    assert source.sink.addresses("web") == {"10.0.0.1:80"}


async def test_instance_without_checks_is_followed(agent: ConsulAgent, source: RecordingContext) -> None:
    """Nothing but the catalog itself tells of it."""
    await agent.register("web", "10.0.0.9", id="w1")

    await eventually(lambda: source.sink.addresses("web") == {"10.0.0.9:80"})


@pytest.mark.parametrize("name", ["team/web", "tr/", "sp ace", "q?x=1&y", "p%2f", "ünï"])
async def test_odd_names_are_read_as_they_are(agent: ConsulAgent, source: RecordingContext, name: str) -> None:
    await agent.register(name, "10.0.4.1", id="odd")

    await eventually(lambda: source.sink.addresses(name) == {"10.0.4.1:80"})


async def test_a_name_that_no_agent_can_be_asked_for_holds_nobody_up(agent: ConsulAgent) -> None:
    await agent.register("x\ny", "10.0.4.1", id="odd")
    context = RecordingContext()

    async with running(consul_source(agent.address), context):
        await eventually(lambda: context.spoken)

        assert context.notices == [("consul.service_unreadable", {"service": "x\ny"})]
        assert set(context.sink.services) == {"web", "db"}
        assert not context.failures, context.messages


@pytest.mark.parametrize("name", ["db/../web", "..", "/web", "x//web"])
async def test_a_name_that_looks_like_a_path_never_reads_another_service(
    agent: ConsulAgent, source: RecordingContext, name: str
) -> None:
    await agent.register(name, "10.0.4.1", id="odd")

    await eventually(lambda: source.notices == [("consul.service_unreadable", {"service": name})])
    assert set(source.sink.services) == {"web", "db"}


async def test_names_that_differ_in_case_are_not_mixed_up(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.register("WEB", "10.0.4.1", id="other")

    await eventually(lambda: source.sink.addresses("WEB") == {"10.0.4.1:80"})
    assert source.sink.addresses("web") == {"10.0.0.1:80"}


async def test_rename_moves_an_instance_to_another_service(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.register("web", "10.0.0.1", id="w1", Meta={"xds-service": "shop:81"})
    await eventually(lambda: source.sink.addresses("shop") == {"10.0.0.1:81"})
    assert "web" not in source.sink.services

    await agent.deregister("vm1", "w1")
    await eventually(lambda: "shop" not in source.sink.services)


async def test_output_of_a_check_changes_nothing(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.check("vm1", "alive", "passing", service_id="w1", output="1")
    before = web(source)

    await agent.check("vm1", "alive", "passing", service_id="w1", output="2")
    await agent.register("last", "10.0.4.1")
    await eventually(lambda: "last" in source.sink.services)

    assert web(source) == before
