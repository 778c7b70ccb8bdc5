"""What a real Envoy does with responses: the facts that our rules rest on.

A test that fails here says that Envoy changed. A server without rules of its own says what the test says; `xds/` must
never bring most of this about.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.envoy_content import BAD_TEMPLATE, Bad, Content, bad_assignment, hosts
from support.scripted_server import ScriptedServer, ScriptedStream, scripted_server
from support.subject import Subject, subject
from support.transports import Transport
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT

LATER = {"connect_timeout": "7s"}
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as started:
        yield started


@pytest.fixture(params=[Transport.SOTW_ADS, Transport.DELTA_ADS])
def transport(request: pytest.FixtureRequest) -> Transport:
    return Transport(request.param)


@pytest.fixture
def content(transport: Transport) -> Content:
    return Content(transport, {"web": hosts(1), "other": hosts(2)})


@pytest.fixture
async def envoy(transport: Transport, server: ScriptedServer, tmp_path: Path) -> AsyncIterator[Subject]:
    async with subject(transport, [server.port], tmp_path, wait_ready=False) as started:
        yield started


@pytest.fixture
async def stream(server: ScriptedServer, envoy: Subject) -> ScriptedStream:
    return await server.stream()


async def test_a_changed_cluster_waits_for_unchanged_endpoints_without_asking_for_them(
    stream: ScriptedStream, content: Content, envoy: Subject
) -> None:
    await stream.converse(content)
    await envoy.has(content)
    before = stream.of(ENDPOINT)

    changed = content.template(web=LATER)
    await stream.serve_changed(changed, "c2", "web")
    await envoy.warms("web")
    assert not any(each.accepts("c2") for each in stream.of(CLUSTER)), "held back while a cluster warms"
    assert "connect_timeout" not in (await envoy.envoy.cluster_configs("active"))["web"]
    await stream.serve(ENDPOINT, content, "e2", "web")
    await envoy.has(content, web="7s")
    await stream.accepted(CLUSTER, "c2")
    await stream.accepted(ENDPOINT, "e2")

    *meanwhile, _ = stream.of(ENDPOINT)[len(before) :]
    if stream.delta:
        assert meanwhile == []
    else:
        repeated = {(each.names, each.version, each.nonce) for each in meanwhile}
        assert repeated == {(frozenset({"web", "other"}), "e1", "e1")}, "a plain repeat of its last ACK"
    assert await envoy.fetch_timeouts() == {}


async def test_a_changed_cluster_uses_what_it_had_when_nobody_sends_its_endpoints_again(
    stream: ScriptedStream, content: Content, envoy: Subject
) -> None:
    hasty = replace(content, fetch_timeout=1)
    await stream.converse(hasty)
    await envoy.has(hasty)

    await stream.serve_changed(hasty.template(web=LATER), "c2", "web")
    await envoy.has(hasty, web="7s")

    assert await envoy.fetch_timeouts() == {"cluster.web.assignment_use_cached": 1, "cluster.web.init_fetch_timeout": 1}


async def test_endpoints_before_the_change_of_their_cluster_do_not_end_its_warming(
    stream: ScriptedStream, content: Content, envoy: Subject
) -> None:
    await stream.converse(content)
    await envoy.has(content)
    changed = content.template(web=LATER)

    await stream.serve(ENDPOINT, content, "e2", "web")
    await stream.serve_changed(changed, "c2", "web")
    await envoy.warms("web")
    await stream.accepted(ENDPOINT, "e2")
    await stream.serve(ENDPOINT, content, "e3", "web")
    await envoy.has(content, web="7s")


async def test_endpoints_right_behind_their_clusters_are_taken(
    stream: ScriptedStream, content: Content, envoy: Subject
) -> None:
    await stream.converse(content)
    new = content.endpoints(new=hosts(3)).template(web=LATER)

    await stream.serve(CLUSTER, new, "c2")
    await stream.serve(ENDPOINT, new, "e2")

    await envoy.has(new, web="7s")
    await stream.accepted(CLUSTER, "c2")
    await stream.accepted(ENDPOINT, "e2")
    assert await envoy.fetch_timeouts() == {}


async def test_a_second_cluster_with_the_same_endpoints_waits_for_them_without_asking(
    stream: ScriptedStream, transport: Transport, envoy: Subject
) -> None:
    one = Content(transport, {"one": hosts(1)})
    both = Content(transport, {"one": hosts(1), "two": []}, shared={"two": "one"})
    await stream.converse(one)
    await envoy.has(one)
    before = stream.of(ENDPOINT)

    await stream.serve(CLUSTER, both, "c2")
    await envoy.warms("two")
    await stream.serve(ENDPOINT, one, "e2")
    await envoy.has(both)
    await stream.accepted(ENDPOINT, "e2")

    *meanwhile, _ = stream.of(ENDPOINT)[len(before) :]
    assert {each.names for each in meanwhile} == (set() if stream.delta else {frozenset({"one"})})


async def test_changes_while_a_cluster_warms_need_the_endpoints_once(
    stream: ScriptedStream, content: Content, envoy: Subject
) -> None:
    await stream.converse(content)
    await envoy.has(content)

    for number in range(2, 5):
        await stream.serve_changed(content.template(web={"connect_timeout": f"{number}s"}), f"c{number}", "web")
        await envoy.until("cluster_manager.cluster_modified", number - 1)
        await envoy.warms("web")
    held_back = [each for each in stream.of(CLUSTER) if each.nonce in ("c2", "c3", "c4")]
    await stream.serve(ENDPOINT, content, "e2", "web")
    await envoy.has(content, web="4s")
    await stream.accepted(CLUSTER, "c4")

    answered = [each.nonce for each in stream.of(CLUSTER) if each.nonce in ("c2", "c3", "c4")]
    assert held_back == []
    assert answered == (["c2", "c3", "c4"] if stream.delta else ["c4"])


async def test_the_same_cluster_again_changes_nothing(stream: ScriptedStream, content: Content, envoy: Subject) -> None:
    await stream.converse(content)
    before = await envoy.history()
    reordered = {name: _reordered(body) for name, body in content.bodies(CLUSTER).items()}

    await stream.serve(CLUSTER, content, "c2")
    await stream.accepted(CLUSTER, "c2")
    await stream.respond(CLUSTER, reordered, nonce="c3")
    await stream.accepted(CLUSTER, "c3")

    assert reordered != content.bodies(CLUSTER)
    assert await envoy.history() == before
    assert await envoy.warming() == 0


def _reordered(body: bytes) -> bytes:
    """The same message with its first field, the name, moved to the end."""
    length = 2 + body[1]
    return body[length:] + body[:length]


async def test_an_endpoint_out_of_bounds_takes_all_assignments_of_its_response_with_it(
    stream: ScriptedStream, content: Content, envoy: Subject
) -> None:
    await stream.request(CLUSTER)
    await stream.serve(CLUSTER, content, "c1")
    await stream.asks_for(content)
    bad, good = bad_assignment("other", Bad.UNREAD).body, content.bodies(ENDPOINT)["web"]

    await stream.respond(ENDPOINT, {"web": good, "other": bad}, nonce="e1")
    await stream.rejected(ENDPOINT, "e1")
    together = await envoy.hosts()
    await stream.respond(ENDPOINT, {"web": good}, nonce="e2")
    await stream.accepted(ENDPOINT, "e2")
    await stream.respond(ENDPOINT, {"other": bad}, nonce="e3")
    await stream.rejected(ENDPOINT, "e3")

    assert not any(together.values())
    assert await envoy.hosts() == {"web": {"10.0.0.1:8080"}, "other": set()}


@pytest.mark.parametrize("bad", Bad)
async def test_a_bad_cluster_lets_the_others_pass_if_envoy_read_it_at_all(
    stream: ScriptedStream, content: Content, envoy: Subject, bad: Bad
) -> None:
    await stream.converse(content)
    await envoy.has(content)
    await stream.serve(CLUSTER, content.template(web=LATER, other=BAD_TEMPLATE[bad]), "c2")
    await envoy.until("cluster_manager.cds.update_rejected", 1)
    await stream.serve(ENDPOINT, content, "e2")
    await stream.accepted(ENDPOINT, "e2")
    await stream.rejected(CLUSTER, "c2")

    await envoy.has(content)
    in_effect = (await envoy.envoy.cluster_configs("active"))["web"].get("connect_timeout")
    assert in_effect == ("7s" if bad is Bad.LATE else None)
    assert await envoy.stat("cluster_manager.cluster_removed") == 0


async def test_a_rejected_complete_response_still_removes_what_it_does_not_name(
    server: ScriptedServer, tmp_path: Path
) -> None:
    content = Content(Transport.SOTW_ADS, {"web": hosts(1), "other": hosts(2), "gone": hosts(3)})
    removed = {}
    for bad in Bad:
        async with subject(content.transport, [server.port], tmp_path, wait_ready=False) as envoy:
            stream = await server.stream()
            await stream.converse(content)
            await stream.serve(CLUSTER, content.template(other=BAD_TEMPLATE[bad]).without("gone"), "c2")
            await stream.rejected(CLUSTER, "c2")
            removed[bad] = await envoy.stat("cluster_manager.cluster_removed")

    assert removed == {Bad.UNREAD: 0, Bad.LATE: 1}


async def test_what_nobody_asked_for_is_ignored_and_never_answered(
    stream: ScriptedStream, content: Content, envoy: Subject
) -> None:
    await stream.request(CLUSTER)

    await stream.serve(ENDPOINT, content, "early")
    await stream.respond(LISTENER, nonce="foreign")
    await stream.serve(CLUSTER, content, "c1")
    await stream.asks_for(content)
    assert not any((await envoy.hosts()).values())
    await stream.serve(ENDPOINT, content, "e1")
    await stream.accepted(ENDPOINT, "e1")

    await envoy.has(content)
    assert {each.nonce for each in stream.asked} == {"", "c1", "e1"}


async def test_silence_keeps_a_fresh_envoy_waiting_and_an_empty_answer_makes_it_live(
    stream: ScriptedStream, envoy: Subject
) -> None:
    await stream.request(CLUSTER)
    waiting = not await envoy.envoy.ready()

    await stream.respond(CLUSTER, nonce="c1")
    await eventually(envoy.envoy.ready, what="Envoy is live")

    assert waiting
    assert await envoy.fetch_timeouts() == {}


async def test_endpoints_that_come_after_envoy_gave_up_waiting_are_taken(
    stream: ScriptedStream, content: Content, envoy: Subject
) -> None:
    hasty = replace(content, fetch_timeout=1)
    await stream.request(CLUSTER)
    await stream.serve(CLUSTER, hasty, "c1")
    await envoy.until("cluster.web.init_fetch_timeout", 1)
    await eventually(envoy.envoy.ready, what="Envoy is live")
    without = await envoy.hosts()

    await stream.serve(ENDPOINT, hasty, "e1")

    await envoy.has(hasty)
    assert without == {"web": set(), "other": set()}


async def test_an_empty_assignment_takes_the_endpoints_away(
    stream: ScriptedStream, content: Content, envoy: Subject
) -> None:
    await stream.converse(content)
    drained = content.endpoints(web=[])

    await stream.serve(ENDPOINT, drained, "e2", "web")

    await envoy.has(drained)


async def test_endpoints_that_are_said_not_to_exist_stay_where_they_are(
    stream: ScriptedStream, content: Content, envoy: Subject
) -> None:
    await stream.converse(content)
    await envoy.has(content)
    new = content.endpoints(new=[])
    await stream.serve(CLUSTER, new, "c2")
    await envoy.warms("new")

    await stream.respond(ENDPOINT, nonce="e2", removed=["web", "new"])
    await stream.accepted(ENDPOINT, "e2")

    if stream.delta:
        await envoy.has(new)
    else:
        assert await envoy.warming() == 1, "a response without resources says nothing"
        assert (await envoy.hosts())["web"] == {"10.0.0.1:8080"}
