"""A token that loses its rights makes things invisible, and not gone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.consul import consul_agent, consul_source
from support.consul_rights import READ_ALL, Rights, granted
from support.recording import RecordingContext, running
from support.waiting import eventually

NO_NODES = 'service_prefix "" { policy = "read" }'
NO_SERVICES = 'node_prefix "" { policy = "read" }'
NOT_WEB = 'service_prefix "" { policy = "read" } service "web" { policy = "deny" } node_prefix "" { policy = "read" }'


@pytest.fixture
async def rights(tmp_path: Path) -> AsyncIterator[Rights]:
    async with consul_agent(acl=True) as agent:
        await agent.register("web", "10.0.0.1", id="w1")
        await agent.register("db", "10.0.1.1", id="d1", node="vm2")
        yield await granted(agent, tmp_path / "token")


@pytest.fixture(params=["per_service", "aggregate"])
async def source(rights: Rights, request: pytest.FixtureRequest) -> AsyncIterator[RecordingContext]:
    context = RecordingContext()
    config = {"mode": request.param, "token_file": str(rights.file), "wait": "1s"}
    async with running(consul_source(rights.agent.address, **config), context):
        await eventually(lambda: context.spoken)
        assert set(context.sink.services) == {"web", "db"}
        yield context


async def changes(rights: Rights) -> None:
    """Move every index on, so that nothing is ignored for being old."""
    await rights.agent.register("web", "10.0.0.1", id="w1", port=81)
    await rights.agent.register("db", "10.0.1.1", id="d1", node="vm2", port=81)
    await rights.agent.register("third", "10.0.2.1", node="vm2")


async def test_deleted_token_loses_nothing_and_a_new_one_in_its_file_heals(
    rights: Rights, source: RecordingContext
) -> None:
    await rights.revoke()
    await changes(rights)
    await eventually(lambda: "403" in source.messages)
    assert "ACL token is missing, expired" in source.messages
    assert any(error.retry_after == 15 for errors in source.failures.values() for error in errors)
    assert source.sink.lost == []

    secret, _ = await rights.agent.token("bridge")
    rights.file.write_text(secret)

    await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:81"}, timeout=15)


async def test_token_changed_in_its_file_in_time_is_no_outage(rights: Rights, source: RecordingContext) -> None:
    secret, _ = await rights.agent.token("bridge")
    rights.file.write_text(secret)

    await rights.revoke()
    await changes(rights)

    await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:81"})
    assert not source.failures, source.messages


@pytest.mark.parametrize("rules", [NO_NODES, NO_SERVICES, ""])
async def test_narrowed_rights_lose_nothing(rights: Rights, source: RecordingContext, rules: str) -> None:
    await rights.change(rules)
    await changes(rights)

    await eventually(lambda: source.messages != "")
    assert "Nothing is removed" in source.messages
    assert source.sink.addresses("web")
    assert source.sink.addresses("db")

    await rights.change(READ_ALL)
    await rights.agent.register("nudge", "10.0.5.1")

    await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:81"}, timeout=15)
    await eventually(lambda: source.sink.addresses("third") == {"10.0.2.1:80"}, timeout=15)


async def test_rights_lost_while_nothing_changes_lose_nothing_and_are_told(
    rights: Rights, source: RecordingContext
) -> None:
    """The answer is empty then, and its index the one that we sent."""
    await rights.change("")

    await eventually(lambda: "has the token lost its rights?" in source.messages)
    assert source.sink.lost == []

    await rights.change(READ_ALL)
    await rights.agent.register("third", "10.0.2.1", node="vm2")
    await eventually(lambda: source.sink.addresses("third") == {"10.0.2.1:80"}, timeout=30)
    assert source.sink.lost == []


async def test_a_token_without_rights_finds_nothing_and_says_so(rights: Rights) -> None:
    """Even where the operator allows an empty catalog: one without a node there is not."""
    context = RecordingContext(allow_empty=True)
    async with running(consul_source(rights.agent.address), context):
        await eventually(lambda: "lacks node:read" in context.messages)

        assert not context.spoken
        assert context.sink.calls == []


@pytest.mark.parametrize("mode", ["per_service", "aggregate"])
async def test_rights_that_are_granted_later_are_used_although_nothing_changes(rights: Rights, mode: str) -> None:
    """The index of what the token can see now is the one that it was told when it saw nothing."""
    await rights.change('node_prefix "" { policy = "read" }')
    context = RecordingContext()
    config = {"mode": mode, "token_file": str(rights.file), "wait": "1s"}
    async with running(consul_source(rights.agent.address, **config), context):
        await eventually(lambda: context.requests["catalog.services", "200"] >= 2)
        assert context.sink.services == {}

        await rights.change(READ_ALL)

        await eventually(lambda: set(context.sink.services) == {"web", "db"})


async def test_missing_token_file_is_named(rights: Rights) -> None:
    context = RecordingContext()
    rights.file.unlink()
    async with running(consul_source(rights.agent.address, token_file=str(rights.file)), context):
        await eventually(lambda: len(context.failures["run"]) > 1)

        assert str(rights.file) in context.messages
        assert not context.spoken


async def test_token_file_that_vanishes_later_leaves_the_token_in_use(rights: Rights, source: RecordingContext) -> None:
    rights.file.unlink()

    await rights.change(NOT_WEB)
    await rights.agent.register("db", "10.0.1.1", id="d1", node="vm2", port=81)

    await eventually(lambda: source.sink.addresses("db") == {"10.0.1.1:81"})


async def test_services_outside_of_the_tokens_rights_are_not_waited_for(rights: Rights) -> None:
    await rights.change('service_prefix "web" { policy = "read" } node_prefix "" { policy = "read" }')
    context = RecordingContext()
    async with running(consul_source(rights.agent.address, token_file=str(rights.file)), context):
        await eventually(lambda: context.spoken)
        await rights.agent.register("web", "10.0.0.2", id="w2")
        await eventually(lambda: len(context.sink.addresses("web")) == 2)

        await rights.agent.deregister("vm1", "w1")

        await eventually(lambda: context.sink.addresses("web") == {"10.0.0.2:80"})
