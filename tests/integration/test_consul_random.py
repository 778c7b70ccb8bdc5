"""After any script of events, what was followed equals what a fresh look shows."""

import random
from collections.abc import AsyncIterator, Callable, Coroutine

import pytest

from support.consul import ConsulAgent, consul_agent, consul_source
from support.recording import RecordingContext, running
from support.waiting import eventually

EVENTS = 500
SERVICES = 40


@pytest.fixture
async def agent() -> AsyncIterator[ConsulAgent]:
    async with consul_agent() as agent:
        yield agent


Event = Callable[[], Coroutine[None, None, None]]


class Script:
    """Draws one event after the other; the services `stay-…` are never taken away."""

    def __init__(self, agent: ConsulAgent, seed: int) -> None:
        self._agent = agent
        self._random = random.Random(seed)
        self._instances: dict[str, tuple[str, str]] = {}

    async def prepare(self) -> None:
        for number in range(10):
            await self._agent.register(f"stay-{number}", f"10.1.0.{number}", id=f"stay{number}", node="rock")

    async def step(self) -> None:
        kinds: list[Event] = [self._register, self._register, self._check, self._node_check, self._node_meta]
        if self._instances:
            kinds += [self._deregister, self._change, self._check, self._maintain]
        if self._random.random() < 0.01:
            kinds = [self._lose_node]
        await self._random.choice(kinds)()

    def _node(self) -> str:
        return f"n{self._random.randrange(8)}"

    def _pick(self) -> str:
        return self._random.choice(sorted(self._instances))

    async def _register(self) -> None:
        service = f"s{self._random.randrange(SERVICES)}"
        instance, node = f"i{self._random.randrange(90)}", self._node()
        if self._instances.get(instance, (node, service)) == (node, service):
            self._instances[instance] = (node, service)
            await self._agent.register(service, f"10.2.0.{instance[1:]}", id=instance, node=node)

    async def _change(self) -> None:
        instance = self._pick()
        node, service = self._instances[instance]
        more = self._random.choice(
            [
                {"Meta": {"zone": f"z{self._random.randrange(3)}"}},
                {"Weights": {"Passing": self._random.randint(1, 9), "Warning": 1}},
                {"Tags": [f"t{self._random.randrange(3)}"]},
                {"port": self._random.randint(1000, 1003)},
                {"Meta": {"xds-service": f"renamed-{self._random.randrange(3)}"}},
            ]
        )
        await self._agent.register(service, f"10.2.0.{instance[1:]}", id=instance, node=node, **more)  # type: ignore[arg-type]  # fields of many types

    async def _deregister(self) -> None:
        instance = self._pick()
        node, _ = self._instances.pop(instance)
        await self._agent.deregister(node, instance)

    async def _check(self) -> None:
        if self._instances:
            instance = self._pick()
            status = self._random.choice(["passing", "warning", "critical"])
            await self._agent.check(self._instances[instance][0], f"c-{instance}", status, service_id=instance)

    async def _maintain(self) -> None:
        instance = self._pick()
        node, _ = self._instances[instance]
        await self._agent.check(node, f"_service_maintenance:{instance}", "critical", service_id=instance)

    async def _node_check(self) -> None:
        node = self._node()
        if any(where == node for where, _ in self._instances.values()):
            await self._agent.check(node, "disk", self._random.choice(["passing", "critical"]))

    async def _node_meta(self) -> None:
        node = self._node()
        if any(where == node for where, _ in self._instances.values()):
            meta = {"zone": f"z{self._random.randrange(3)}"}
            await self._agent.put("/v1/catalog/register", {"Node": node, "Address": "10.9.9.9", "NodeMeta": meta})

    async def _lose_node(self) -> None:
        node = self._node()
        self._instances = {key: value for key, value in self._instances.items() if value[0] != node}
        await self._agent.deregister(node)


@pytest.mark.parametrize("mode", ["per_service", "aggregate"])
async def test_random_script_ends_where_a_full_read_ends(agent: ConsulAgent, mode: str) -> None:
    script = Script(agent, seed=20)
    followed = RecordingContext()
    await script.prepare()

    async with running(consul_source(agent.address, mode=mode), followed):
        await eventually(lambda: followed.spoken)
        for _ in range(EVENTS):
            await script.step()
        fresh = await _read(agent)

        await eventually(lambda: _same(followed, fresh), timeout=8, what="what was followed equals a full read")

    assert not [address for address in followed.sink.lost if address.startswith("10.1.")]
    assert not followed.failures, followed.messages


async def _read(agent: ConsulAgent) -> RecordingContext:
    context = RecordingContext()
    async with running(consul_source(agent.address), context):
        await eventually(lambda: context.spoken)
    return context


def _same(followed: RecordingContext, fresh: RecordingContext) -> bool:
    return {scope: services for scope, services in followed.sink.state.items() if services} == fresh.sink.state
