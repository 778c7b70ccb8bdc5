"""`xds-bridge envoys`, of an admin server over fakes; with a real Envoy in `tests/integration`."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from aiohttp import web

from support.admin_bench import Bench
from support.admin_fakes import stream
from support.cli import Outcome, commands, fields
from support.http_server import answering
from support.ports import free_port
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, RejectedResource, StreamStatus, TypeContents, TypeState, TypeStatus

VERSION = "1234567890"
REJECTS = "rejects clusters and stays with what it accepted before:"
MEND = "Mend the cluster's template (`services[].cluster`, `cluster_defaults`)."

Envoys = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def envoys(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Envoys]:
    with commands(capsys, monkeypatch) as command:
        yield lambda *options: asyncio.to_thread(command, "envoys", "--admin", bench.url, *options)


def of_type(url: str, state: TypeState, **fields: object) -> TypeStatus:
    usual = {"names": None, "version_sent": VERSION, "version_acked": VERSION, "rejection": None, "since": 3.0}
    return TypeStatus(**{"type_url": url, "state": state, "acked": 3.0, **usual, **fields})  # type: ignore[arg-type]  # each has its type


def connected(node: str, *types: TypeStatus, number: int = 1, age: float = 65.0) -> StreamStatus:
    return replace(stream(number, node), types=types, age=age, view="default", names=("spiffe://web",))


WELL = (of_type(CLUSTER.url, TypeState.SYNCED), of_type(ENDPOINT.url, TypeState.SYNCED, names=2))


async def test_envoys_that_are_well_are_a_table_and_no_finding(bench: Bench, envoys: Envoys) -> None:
    bench.streams.connected = [connected("web-2", *WELL, number=2), connected("web-1", *WELL)]

    outcome = await envoys()

    assert (outcome.status, outcome.error) == (0, "")
    cell = "SYNCED 12345678, ACK 3 s ago"
    assert [fields(line) for line in outcome.output.splitlines()] == [
        ["node", "cluster", "address", "transport", "view", "connected for", "clusters", "endpoints"],
        ["web-1", "edge", "ipv4:127.0.0.1:1 (spiffe://web)", "sotw", "default", "1 min 5 s", cell, cell],
        ["web-2", "edge", "ipv4:127.0.0.1:2 (spiffe://web)", "sotw", "default", "1 min 5 s", cell, cell],
    ]


async def test_without_envoys_there_is_a_word_and_no_finding(envoys: Envoys) -> None:
    outcome = await envoys()

    assert (outcome.status, outcome.output) == (0, "no Envoy is connected\n")


@pytest.mark.parametrize(
    ("status", "age", "finding"),
    [
        (
            of_type(CLUSTER.url, TypeState.ERROR, rejection="a {\n}\n: too  bad"),
            1.0,
            f"{REJECTS} too bad. {MEND}",
        ),
        (of_type(ENDPOINT.url, TypeState.STALE, unanswered=59.0), 1.0, None),
        (
            of_type(ENDPOINT.url, TypeState.STALE, unanswered=61.0),
            1.0,
            "has not answered what it was sent of endpoints, for 1 min 1 s",
        ),
        (of_type(CLUSTER.url, TypeState.WAITING, since=None), 59.0, None),
        (of_type(CLUSTER.url, TypeState.WAITING, since=None), 61.0, "waits for its first clusters, for 1 min 1 s"),
        (of_type(CLUSTER.url, TypeState.WAITING, since=3600.0), 3700.0, None),
        (of_type(ENDPOINT.url, TypeState.NOT_SENT, since=None), 3700.0, None),
    ],
)
async def test_who_rejects_or_lags_is_a_finding(
    bench: Bench, envoys: Envoys, status: TypeStatus, age: float, finding: str | None
) -> None:
    bench.streams.connected = [connected("web-1", status, age=age), connected("web-2", *WELL, number=2)]

    outcome = await envoys("-o", "json")

    expected = [f"Envoy web-1 at ipv4:127.0.0.1:1 {finding}"] if finding else []
    assert json.loads(outcome.output)["findings"] == expected
    assert outcome.status == len(expected)


async def test_streams_of_one_connection_are_one_envoy_with_the_worst_news(bench: Bench, envoys: Envoys) -> None:
    types = (
        of_type(ENDPOINT.url, TypeState.SYNCED, names=1, acked=1.0, version_acked="new"),
        of_type(ENDPOINT.url, TypeState.ERROR, names=2, acked=9.0, version_acked="old", rejection="no"),
    )
    bench.streams.connected = [
        replace(connected("web-1", each), id=number, aggregated=False) for number, each in enumerate(types)
    ]

    found = json.loads((await envoys("-o", "json")).output)

    (envoy,) = found["envoys"]
    (together,) = envoy["types"]
    assert (together["state"], together["names"], together["version_acked"]) == ("error", 3, "new")
    assert envoy["transport"] == "sotw, a stream for each type"


async def test_one_envoy_is_shown_with_what_it_rejects_and_asks_for_in_vain(bench: Bench, envoys: Envoys) -> None:
    bad = of_type(CLUSTER.url, TypeState.ERROR, rejection="no")
    bench.streams.connected = [connected("web-1", bad), connected("web-2", *WELL, number=2)]
    named = TypeContents(
        type_url=CLUSTER.url,
        asked=frozenset({"x"}),
        existing=frozenset("ab"),
        wildcard=True,
        rejected=(RejectedResource("a", VERSION, "a {\n}\n: no"),),
    )
    bench.streams.named = {"web-1": (named,)}

    outcome = await envoys("web-1")

    assert outcome.status == 1
    lines = [fields(line) for line in outcome.output.splitlines()]
    assert "web-2" not in outcome.output
    assert lines[3] == ["clusters", "sotw", "ERROR", "all", "2", "12345678", "12345678", "ACK 3 s ago"]
    assert ["clusters", "a", "12345678", "no"] in lines
    assert ["asked for of clusters, and not there: x"] in lines
    assert lines[-1] == [f"! Envoy web-1 at ipv4:127.0.0.1:1 {REJECTS} no. {MEND}"]


async def test_an_envoy_that_there_is_not_is_told_with_the_nearest(bench: Bench, envoys: Envoys) -> None:
    bench.streams.connected = [connected("web-1", *WELL)]

    outcome = await envoys("wbe-1")

    assert (outcome.status, outcome.error) == (1, "no Envoy 'wbe-1' is connected; did you mean 'web-1'?\n")


@pytest.mark.parametrize("node", ["../sources", "..", "a/b", "a?b#c", "100%", "%2e%2e", "a b", "größe", "a//b/"])
async def test_an_id_is_no_path(bench: Bench, envoys: Envoys, node: str) -> None:
    absent = await envoys(node)
    bench.streams.connected = [connected(node, *WELL)]

    outcome = await envoys(node)

    assert (absent.status, absent.error) == (1, f"no Envoy {node!r} is connected\n")
    assert (outcome.status, outcome.error) == (0, "")
    assert outcome.output.startswith(f"Envoy {node} of cluster edge at ")


async def test_wrong_usage_of_envoy_admin_exits_with_2(envoys: Envoys) -> None:
    alone, no_url = await envoys("--envoy-admin", "http://127.0.0.1:1"), await envoys("a", "--envoy-admin", "x:1")

    assert (alone.status, no_url.status) == (2, 2)


class Witness:
    """An Envoy's admin interface of which one answer after the other is given."""

    def __init__(self, *versions: str, node: str = "web-1") -> None:
        self.asked = 0
        self._versions = versions
        self._node = node

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/clusters":
            return web.json_response({})
        version = self._versions[min(self.asked, len(self._versions) - 1)]
        self.asked += 1
        cluster = {"version_info": version, "cluster": {"name": "a"}}
        bootstrap = {"bootstrap": {"node": {"id": self._node}}}
        return web.json_response({"configs": [bootstrap, {"dynamic_active_clusters": [cluster]}]})


async def compared(bench: Bench, envoys: Envoys, witness: Witness) -> Outcome:
    bench.serving.snapshot = snapshot({"a": ""})
    bench.streams.connected = [replace(connected("web-1", *WELL), transport="delta")]
    async with answering(witness.answer) as url:
        return await envoys("web-1", "--envoy-admin", url)


async def test_an_envoy_in_the_middle_of_an_update_is_looked_at_once_more(bench: Bench, envoys: Envoys) -> None:
    served = snapshot({"a": ""}).resources(CLUSTER.url)["a"].version

    updated, behind, right = Witness("old", served), Witness("old", "old"), Witness(served)
    outcomes = [await compared(bench, envoys, each) for each in (updated, behind, right)]

    assert [outcome.status for outcome in outcomes] == [0, 1, 0]
    assert [each.asked for each in (updated, behind, right)] == [2, 2, 1]
    assert f"Envoy has version old, not {served}" in outcomes[1].output
    assert outcomes[1].output.endswith("! Envoy web-1 has something else than it is served\n")


async def test_the_envoy_of_another_node_is_not_compared(bench: Bench, envoys: Envoys) -> None:
    outcome = await compared(bench, envoys, Witness("v", node="web-2"))

    assert outcome.status == 3
    assert outcome.error.endswith("says that its node id is 'web-2', not 'web-1'\n")


async def test_an_envoy_that_cannot_be_asked_is_told_of(bench: Bench, envoys: Envoys) -> None:
    bench.serving.snapshot = snapshot({"a": ""})
    bench.streams.connected = [connected("web-1", *WELL)]
    url = f"http://127.0.0.1:{free_port()}"

    outcome = await envoys("web-1", "--envoy-admin", url)

    assert (outcome.status, outcome.output) == (3, "")
    assert outcome.error == f"cannot reach an Envoy on {url} (Connection refused)\n"


async def test_envoys_of_one_id_with_several_views_are_not_compared(bench: Bench, envoys: Envoys) -> None:
    both = [connected("a", *WELL), replace(connected("a", *WELL, number=2), view="views[0]")]
    bench.streams.connected = both

    outcome = await envoys("a", "--envoy-admin", "http://127.0.0.1:1")

    assert (outcome.status, outcome.error) == (3, "Envoys with the node id a see default, views[0], not one view\n")
