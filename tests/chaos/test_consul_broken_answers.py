"""Answers that no Consul gives, but that something between it and us does."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from bridge.model import Health
from support.consul import ConsulAgent, consul_agent, consul_source
from support.consul_traffic import consul_traffic
from support.fault_proxy import (
    Fault,
    FaultProxy,
    Response,
    body,
    drip,
    drop,
    fault_proxy,
    hang,
    header,
    reset_in_body,
    rewritten,
    status,
    truncated,
)
from support.recording import RecordingContext, running
from support.waiting import eventually

HEALTH = "/v1/health/service/web"
CATALOG = "/v1/catalog/services"

HTML = rewritten(lambda _: Response(200, (), b"<html>hi</html>"))

BROKEN: dict[str, tuple[Fault, str]] = {
    "drop": (drop, "cannot read"),
    "reset in body": (reset_in_body, "cannot read"),
    "truncated": (truncated, "not Consul's"),
    "html": (HTML, "not Consul's"),
    "null": (body(b"null"), "not Consul's"),
    "wrong type": (body(b'"web"'), "not Consul's"),
    "empty": (body(b""), "not Consul's"),
    "index 0": (header("X-Consul-Index", "0"), "X-Consul-Index"),
    "no index": (header("X-Consul-Index", None), "X-Consul-Index"),
    "index text": (header("X-Consul-Index", "soon"), "X-Consul-Index"),
    "429": (status(429, b"rate", Retry_After="7"), "429 rate"),
    "503": (status(503, b"busy", Retry_After="9"), "503 busy"),
    "500 leader": (status(500, b"No cluster leader"), "500 No cluster leader"),
    "500 dc": (status(500, b"No path to datacenter"), "is `datacenter` right"),
    "500 filter": (status(500, b"Failed to create boolean expression evaluator: x"), "`filter` is not an expression"),
    "400": (status(400, b"bad"), "does not accept"),
    "403": (status(403, b"Permission denied"), "ACL token"),
    "404": (status(404, b"no such path"), "404"),
    "301": (status(301, b"", Location="http://127.0.0.1:1/elsewhere"), "redirects are not followed"),
}


@dataclass
class Scene:
    """A source that reads two services through a proxy, and has spoken."""

    agent: ConsulAgent
    proxy: FaultProxy
    context: RecordingContext


@pytest.fixture(params=["per_service", "aggregate"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with consul_agent() as agent, fault_proxy(agent.address) as proxy:
        await agent.register("web", "10.0.0.1", id="w1")
        await agent.register("db", "10.0.1.1", id="d1")
        context = RecordingContext()
        async with running(consul_source(proxy.address, mode=request.param), context):
            await eventually(lambda: context.spoken)
            yield Scene(agent, proxy, context)


async def test_no_request_fails_and_no_endpoint_is_lost_while_something_in_between_answers_nonsense(
    tmp_path: Path,
) -> None:
    async with (
        consul_agent() as agent,
        fault_proxy(agent.address) as proxy,
        consul_traffic(tmp_path, agent, source={"address": proxy.address}) as world,
    ):
        for name in ("html", "truncated", "empty", "404", "index 0"):
            fault, said = BROKEN[name]
            async with world.unnoticed(50):
                proxy.fault("/v1/", fault)
                await world.until_failing("dc1")
                assert said in str(world.bridge.events("source.failed")[-1]["error"])
                proxy.heal()
                await world.until_failing()

        await world.converges()


CHECKS = [{"Node": "vm1", "CheckID": "c", "Name": "c", "ServiceID": "w2"}]


async def _index(agent: ConsulAgent) -> str:
    async with aiohttp.ClientSession() as session, session.get(agent.address + HEALTH) as response:
        return response.headers["X-Consul-Index"]


async def changes(agent: ConsulAgent) -> None:
    """Something to see in the service, its checks and the catalog."""
    await agent.register("web", "10.0.0.2", id="w2", Checks=CHECKS)
    await agent.deregister("vm1", "w1")
    await agent.register("new", "10.0.2.1", id="n1")


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_answer_about_a_service_loses_nothing_and_is_named(scene: Scene, name: str) -> None:
    fault, message = BROKEN[name]
    scene.proxy.fault(HEALTH, fault)

    await changes(scene.agent)

    await eventually(lambda: message in "".join(map(str, scene.context.failures["service 'web'"])))
    await eventually(lambda: "new" in scene.context.sink.services, what="the others go on")
    assert scene.context.sink.lost == []

    scene.proxy.heal()
    await eventually(lambda: scene.context.sink.addresses("web") == {"10.0.0.2:80"}, timeout=15)


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_catalog_loses_nothing_and_is_named(scene: Scene, name: str) -> None:
    fault, message = BROKEN[name]
    scene.proxy.fault(CATALOG, fault)

    await changes(scene.agent)
    await scene.agent.deregister("vm1", "d1")

    await eventually(lambda: message in "".join(map(str, scene.context.failures["catalog"])))
    assert scene.context.sink.addresses("db") == {"10.0.1.1:80"}

    scene.proxy.heal()
    await eventually(lambda: set(scene.context.sink.services) == {"web", "new"}, timeout=15)


async def test_retry_after_is_passed_on(scene: Scene) -> None:
    scene.proxy.fault(HEALTH, status(503, b"busy", Retry_After="9"))

    await changes(scene.agent)

    await eventually(lambda: [error.retry_after for error in scene.context.failures["service 'web'"]][:1] == [9])


@pytest.mark.parametrize(
    "fault", [header("X-Consul-KnownLeader", "false"), header("X-Consul-Results-Filtered-By-ACLs", "true")]
)
async def test_untrusted_answer_adds_and_does_not_remove(scene: Scene, fault: Fault) -> None:
    scene.proxy.fault(HEALTH, fault)

    await changes(scene.agent)

    await eventually(lambda: scene.context.sink.addresses("web") == {"10.0.0.1:80", "10.0.0.2:80"})
    await eventually(lambda: "nothing is removed" in scene.context.messages)

    scene.proxy.heal()
    await eventually(lambda: scene.context.sink.addresses("web") == {"10.0.0.2:80"})


async def test_untrusted_catalog_adds_and_does_not_remove(scene: Scene) -> None:
    scene.proxy.fault(CATALOG, header("X-Consul-KnownLeader", "false"))

    await scene.agent.register("new", "10.0.2.1", id="n1")
    await scene.agent.deregister("vm1", "d1")

    await eventually(lambda: "new" in scene.context.sink.services)
    await eventually(lambda: "nothing is removed" in scene.context.messages)
    assert scene.context.sink.addresses("db") == {"10.0.1.1:80"}


async def test_empty_answer_under_the_index_we_know_is_ignored(scene: Scene) -> None:
    """So looks a token that has lost its rights, and a query whose time is over."""
    index = await _index(scene.agent)
    scene.proxy.fault(HEALTH, rewritten(lambda response: replace(response, body=b"[]").header("X-Consul-Index", index)))
    reads = len(scene.proxy.asked(HEALTH))

    await scene.agent.register("web", "10.0.0.2", id="w2", Checks=CHECKS)

    await eventually(lambda: len(scene.proxy.asked(HEALTH)) > reads)
    await scene.agent.register("new", "10.0.2.1", id="n1")
    await eventually(lambda: "new" in scene.context.sink.services)
    assert scene.context.sink.lost == []
    assert not scene.context.failures, scene.context.messages


@pytest.mark.parametrize(("mode", "fault"), [("per_service", hang), ("aggregate", drip)])
async def test_answer_that_never_ends_is_given_up(mode: str, fault: Fault) -> None:
    async with consul_agent() as agent, fault_proxy(agent.address) as proxy:
        await agent.register("web", "10.0.0.1", id="w1")
        context = RecordingContext()
        async with running(consul_source(proxy.address, mode=mode, wait="1s"), context):
            await eventually(lambda: context.spoken)
            proxy.fault(HEALTH, fault)
            await agent.register("web", "10.0.0.2", id="w2", Checks=CHECKS)

            await eventually(lambda: "no answer in time" in context.messages, timeout=25)
            proxy.heal()

            await eventually(lambda: len(context.sink.addresses("web")) == 2)
            assert context.sink.lost == []


async def test_short_trouble_that_the_catalogs_query_slept_through_delays_a_service_by_seconds() -> None:
    async with consul_agent() as agent, fault_proxy(agent.address) as proxy:
        await agent.register("web", "10.0.0.1", id="w1", Checks=[{**CHECKS[0], "ServiceID": "w1"}])
        context = RecordingContext()
        async with running(consul_source(proxy.address, mode="per_service"), context):
            await eventually(lambda: context.spoken)
            for path in (HEALTH, "/v1/status/leader"):
                proxy.fault(path, status(500, b"No cluster leader"))
            await agent.check("vm1", "c", "warning", service_id="w1")
            await eventually(lambda: len(proxy.asked("/v1/status/leader")) > 0)

            proxy.heal()
            await agent.check("vm1", "c", "passing", service_id="w1")

            await eventually(lambda: context.sink.services["web"]["10.0.0.1:80"].health is Health.HEALTHY)
            assert not context.failures, context.messages
