"""What a person should look at: whatever an alert of one bridge is about, the page and `xds-bridge status` say too."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bridge.absent import Absent
from bridge.admin import Upkeep
from bridge.audit import Action, Event
from bridge.guard import Reason
from bridge.merge import Service
from bridge.model import Health, ServiceName
from bridge.operator import Pause
from bridge.outage import Failure
from bridge.peers import PeerState, PeerStatus
from bridge.poll import Poll
from bridge.registry import Hold
from bridge.reload import ReloadOutcome, ReloadReport
from bridge.supervisor import ReadingStatus
from bridge.wording import FETCHER
from support.admin_bench import Bench, admin_bench
from support.admin_fakes import DC1, LOCAL, served, stream
from xds import StreamStatus, TypeState, Validity

NOW = 1_700_000_000.0
DAY = 86400.0
WEB = ServiceName("web")

RELEASE = "If they are really gone, `xds-bridge guard release dc1` lets them go now."

Arrange = Callable[[Bench], None]


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr("time.time", lambda: NOW - DAY)
    async with admin_bench() as bench:
        monkeypatch.setattr("time.time", lambda: NOW)
        bench.streams.connected = [good(stream(1, "edge-1"))]
        bench.knowledge.put(Service(WEB, (served("10.0.0.1"),)))
        yield bench


def good(status: StreamStatus) -> StreamStatus:
    return replace(status, types=(replace(status.types[0], state=TypeState.SYNCED, rejection=None),))


def unready(bench: Bench) -> None:
    bench.readiness.silent = {LOCAL: "its first complete read"}


def reload_refused(bench: Bench) -> None:
    bench.reloads.report = ReloadReport(NOW, ReloadOutcome(NOW, ok=False, by="anna", error="wrong"))


def unwritten(bench: Bench) -> None:
    bench.upkeep = Upkeep(state="No space left on device")


def restored(bench: Bench) -> None:
    bench.knowledge.restored = 3


def certificate(left: float, lifetime: float = 90 * DAY) -> Arrange:
    def arrange(bench: Bench) -> None:
        own, authority = Validity(NOW + left - lifetime, NOW + left), Validity(NOW, NOW + 90 * DAY)
        bench.upkeep = Upkeep(certificates={"certificate": own, "client_ca": authority})

    return arrange


def differs(bench: Bench) -> None:
    bench.replicas.peers = (PeerStatus("http://10.0.0.6:19000", PeerState.DIFFERS, NOW),)


def failing(bench: Bench) -> None:
    bench.reading.failures = {DC1: (Failure("", "refused", NOW, 1),)}


def stale(bench: Bench) -> None:
    bench.reading.age = 1000.0


def held(bench: Bench) -> None:
    bench.knowledge.held = (Hold(DC1, Reason.LOSS, "", NOW, 7, (WEB,), until=NOW + 600),)


def emptied(bench: Bench) -> None:
    bench.knowledge.put(Service(WEB))
    bench.trail.record(Event(NOW - 60, Action.REMOVED, "gone", "dc1", "", "web", "10.0.0.1:80"))


def rejecting(bench: Bench) -> None:
    bench.streams.connected = [stream(1, "edge-1")]


def unanswered(bench: Bench) -> None:
    status = stream(1, "edge-1")
    lags = replace(status.types[0], state=TypeState.STALE, rejection=None, unanswered=61.0)
    bench.streams.connected = [replace(status, types=(lags,))]


def alone(bench: Bench) -> None:
    bench.streams.connected = []
    bench.absent = (Absent("edge-1", "ipv4:10.0.0.9:1", NOW - 60, unanswered=False),)


FOUND: Mapping[str, tuple[Arrange, str, str]] = {
    "XdsBridgeNotReady": (unready, "act", "No Envoy is answered yet: local is waited for"),
    "XdsBridgeConfigReloadFailed": (reload_refused, "look", "is not in use: wrong."),
    "XdsBridgeSnapshotWriteFailing": (
        unwritten,
        "look",
        "It cannot be written (No space left on device): after a restart",
    ),
    "XdsBridgeServingRestoredState": (restored, "note", "3 endpoints are from before the restart"),
    "XdsBridgeCertificateExpiresSoon": (certificate(6 * DAY), "look", "from then on no Envoy can connect"),
    "XdsBridgeCertificateExpiresTomorrow": (certificate(0.9 * DAY), "act", "from then on no Envoy can connect"),
    "XdsBridgeReplicasDiffer": (differs, "look", "Serves something else than this replica"),
    "XdsBridgeSourceDown": (failing, "look", "Fails since"),
    "XdsBridgeSourceStale": (stale, "look", "Was not read completely for too long"),
    "XdsBridgeSourceHeld": (held, "act", "They go by themselves from 2023-11-14 22:23:20 UTC on"),
    "XdsBridgeServiceEmpty": (
        emptied,
        "look",
        "Has lost its last endpoint, 10.0.0.1:80 of dc1, 2023-11-14 22:12:20 UTC, and requests",
    ),
    "XdsBridgeEnvoyRejecting": (rejecting, "act", "Rejects clusters and stays with what it accepted before: bad."),
    "XdsBridgeUnackedTooLong": (unanswered, "look", "Has not answered what it was sent of clusters."),
    "XdsBridgeNoEnvoysConnected": (alone, "look", "None is connected."),
}

ELSEWHERE = {
    "XdsBridgeDown": "a bridge that is down answers nobody",
    "XdsBridgeFewerThanTwoReplicas": "a bridge knows of others by `admin.peers` alone, and tells of an unreachable one",
    "XdsBridgeRestarting": "a process knows of no other one before it",
    "XdsBridgeEventLoopLag": "a rate over ten minutes",
    "XdsBridgeSourceThrottled": "a rate over ten minutes",
    "XdsBridgeMassEndpointLoss": "compared with what was within an hour",
    "XdsBridgePropagationSlow": "a rate over ten minutes",
    "XdsBridgeEnvoyCountDrop": "compared with an hour ago, over all bridges",
}
"""Alerts of what one bridge does not know at one moment, and why."""


async def findings(bench: Bench) -> list[dict[str, str]]:
    found = (await bench.get("/api/v1/status"))["findings"]
    assert isinstance(found, list)
    return found


def test_every_alert_is_a_finding_or_is_not_for_one_bridge_to_know(repository: Path) -> None:
    groups = YAML(typ="safe").load(repository / "monitoring/alerts.yml")["groups"]

    alerts = [rule["alert"] for group in groups for rule in group["rules"]]

    assert sorted(alerts) == sorted([*FOUND, *ELSEWHERE])


def test_an_alert_that_wakes_somebody_is_a_finding_that_waits_for_a_person_and_no_other_is(repository: Path) -> None:
    groups = YAML(typ="safe").load(repository / "monitoring/alerts.yml")["groups"]
    severities = {rule["alert"]: rule["labels"]["severity"] for group in groups for rule in group["rules"]}

    waking = {alert for alert in FOUND if severities[alert] == "critical"}

    assert waking == {alert for alert, (_, urgency, _) in FOUND.items() if urgency == "act"}


@pytest.mark.parametrize("connected", [(), (FETCHER,)])
async def test_that_no_envoy_has_come_yet_is_no_trouble(bench: Bench, connected: Sequence[str]) -> None:
    bench.streams.connected = [good(stream(1, node)) for node in connected]

    assert [(each["urgency"], each["what"]) for each in await findings(bench)] == [("note", "None is connected.")]


async def test_when_all_is_well_there_is_none(bench: Bench) -> None:
    assert await findings(bench) == []


@pytest.mark.parametrize("alert", FOUND)
async def test_what_an_alert_is_about_is_a_finding(bench: Bench, alert: str) -> None:
    arrange, urgency, what = FOUND[alert]
    arrange(bench)

    found = {(each["urgency"], each["what"]) for each in await findings(bench)}

    [(told, said)] = found
    assert told == urgency
    assert what in said


@pytest.mark.parametrize(
    ("left", "urgencies"),
    [(1800, []), (901, []), (899, ["look"]), (451, ["look"]), (449, ["act"]), (-1, ["act"])],
)
async def test_a_certificate_that_lives_for_an_hour_is_a_finding_when_it_was_not_renewed(
    bench: Bench, left: float, urgencies: list[str]
) -> None:
    certificate(left, lifetime=3600)(bench)

    assert [each["urgency"] for each in await findings(bench)] == urgencies


@pytest.mark.parametrize(
    ("reason", "until", "paused", "said"),
    [
        (
            Reason.LOSS,
            NOW + 600,
            False,
            f"from 2023-11-14 22:23:20 UTC on. Until then, `xds-bridge pause dc1` keeps them. {RELEASE}",
        ),
        (
            Reason.LOSS,
            NOW + 600,
            True,
            "They go when the source is resumed, at the earliest. `xds-bridge resume dc1` ends the pause.",
        ),
        (Reason.LOSS, None, False, f"They go when the source has told of everything it has. {RELEASE}"),
        (Reason.EMPTIED, None, False, f"They go when somebody releases them. {RELEASE}"),
        (Reason.DOUBT, None, False, f"They go when the source no longer doubts what it sees. {RELEASE}"),
    ],
)
async def test_how_long_what_is_held_is_served_is_told(
    bench: Bench, reason: Reason, until: float | None, paused: bool, said: str
) -> None:
    bench.knowledge.held = (Hold(DC1, reason, "", NOW, 7, (WEB,), until),)
    bench.operation.paused_sources = {DC1: Pause(DC1, NOW, "anna")} if paused else {}

    assert (await findings(bench))[0]["what"].endswith(said)


async def test_a_service_whose_endpoints_are_all_ill_is_a_finding_and_one_that_is_drained_is_not(bench: Bench) -> None:
    bench.knowledge.put(Service(WEB, (served("10.0.0.1", Health.UNHEALTHY), served("10.0.0.2", Health.DRAINING))))
    drained = replace(served("10.0.0.3", Health.DRAINING), reported=Health.HEALTHY)
    bench.knowledge.put(Service(ServiceName("api"), (drained,)))

    assert [(each["about"], each["what"]) for each in await findings(bench)] == [
        ("web", "None of its 2 endpoints is healthy. Envoy may send requests to them all the same (panic).")
    ]


async def test_a_service_that_has_long_been_empty_is_no_finding(bench: Bench) -> None:
    bench.knowledge.put(Service(WEB))
    bench.trail.record(Event(NOW - 4000, Action.REMOVED, "gone", "dc1", "", "web", "10.0.0.1:80"))

    assert await findings(bench) == []


async def test_a_service_that_nobody_names_any_more_is_a_finding_with_what_becomes_of_it(bench: Bench) -> None:
    bench.knowledge.put(Service(WEB))
    bench.knowledge.gone = {WEB: NOW + 60}
    bench.trail.record(Event(NOW - 60, Action.REMOVED, "gone", "dc1", "", "web", "10.0.0.1:80"))

    [found] = await findings(bench)

    assert found["what"].endswith("No source names it any more; its empty cluster goes 2023-11-14 22:14:20 UTC.")


async def test_all_that_fails_of_a_source_is_one_finding(bench: Bench) -> None:
    failures = [Failure(f"r{number}", "refused", NOW + number, 1, ("ec2:Describe",)) for number in range(8)]
    bench.reading.failures = {DC1: tuple(failures)}

    [found] = await findings(bench)

    assert found["what"] == (
        "Fails since 2023-11-14 22:13:20 UTC and keeps what it had: r0: refused. "
        "Others that fail: r1, r2, r3, r4, r5 and 2 more. Missing: ec2:Describe."
    )


async def test_an_envoy_that_left_without_an_answer_is_a_finding_and_one_that_was_stopped_is_not(bench: Bench) -> None:
    bench.absent = (
        Absent("frozen", "ipv4:10.0.0.9:1", NOW - 60, unanswered=True),
        Absent("cut", "ipv4:10.0.0.9:2", NOW - 30, unanswered=True),
        Absent("stopped", "ipv4:10.0.0.9:3", NOW, unanswered=False),
    )

    [found] = await findings(bench)
    page = (await bench.text("/envoys"))[1]
    status, document = await bench.request("/api/v1/envoys/frozen")

    assert (found["urgency"], found["about"]) == ("look", "cut")
    assert found["what"].endswith("It has not come back. So did 1 other Envoy within the hour.")
    assert all(f"<li>{name} " in page for name in ("frozen", "cut", "stopped"))
    assert page.count("without an answer to what it was sent") == 2
    assert (status, document["error"]) == (
        404,
        "Envoy 'frozen' left 2023-11-14 22:12:20 UTC without an answer to what it was sent, and has not come back",
    )


async def test_a_refusal_names_the_cluster_where_it_is_known(bench: Bench) -> None:
    status = stream(1, "edge-1")
    named = replace(status.types[0], rejected="web", rejection="name: x\n}\n: no timeout")
    bench.streams.connected = [replace(status, types=(named,))]

    [found] = await findings(bench)

    assert found["what"] == (
        "Rejects the cluster web and stays with what it accepted before of it: no timeout."
        " Mend the cluster's template (`services[].cluster`, `cluster_defaults`)."
    )
    assert "web: no timeout" in (await bench.text("/envoys"))[1]


async def test_of_many_envoys_that_lag_one_is_named_and_the_others_are_counted(bench: Bench) -> None:
    status = stream(1, "edge-1")
    lags = (replace(status.types[0], state=TypeState.STALE, rejection=None, unanswered=61.0),)
    bench.streams.connected = [replace(stream(number, f"edge-{number}"), types=lags) for number in range(1, 10)]

    [found] = await findings(bench)

    assert (found["about"], found["command"]) == ("edge-1", "xds-bridge envoys edge-1")
    assert found["what"].endswith("So do 8 other Envoys.")


async def test_refusals_go_before_all_else_and_those_that_are_not_told_are_counted(bench: Bench) -> None:
    status = stream(1, "late")
    lags = replace(status.types[0], state=TypeState.STALE, rejection=None, unanswered=61.0)
    refusing = [stream(number, f"edge-{number}") for number in range(1, 9)]
    bench.streams.connected = [
        replace(status, types=(lags,), peer="a"),
        *(replace(each, types=(replace(each.types[0], rejection=f"bad {each.id}"),)) for each in refusing),
    ]

    found = await findings(bench)

    assert [each["about"] for each in found] == ["edge-1", "edge-2", "edge-3", "edge-4", "edge-5", "Envoys"]
    assert (found[-1]["urgency"], found[-1]["what"]) == ("act", "4 more things are to be said of them.")


async def test_an_envoy_that_waits_is_found_where_the_finding_leads(bench: Bench) -> None:
    status = stream(1, "edge-1")
    waits = replace(status.types[0], state=TypeState.WAITING, rejection=None, since=None)
    bench.streams.connected = [replace(status, types=(waits,), age=61.0)]

    [found] = await findings(bench)

    assert "edge-1" in (await bench.text(found["link"]))[1]


def polled(age: float, interval: float = 15.0) -> ReadingStatus:
    return ReadingStatus("polled", NOW, age, Poll("self/eu-west-1", (), interval, interval, 5.0))


@pytest.mark.parametrize(
    ("readings", "stale"),
    [
        ((polled(59.0),), False),
        ((polled(61.0),), True),
        ((polled(1000.0, 3600.0),), False),
        ((polled(10801.0, 3600.0),), True),
        ((polled(5.0), ReadingStatus("seldom", NOW, 600.0, None)), False),
        ((polled(5.0), ReadingStatus("seldom", NOW, 901.0, None)), True),
        ((polled(5.0), ReadingStatus("beside", NOW, 5000.0, None, vital=False)), False),
        ((polled(5.0), ReadingStatus("never", None, None, None)), False),
    ],
)
async def test_a_source_is_stale_when_a_read_of_it_is_by_how_that_is_made(
    bench: Bench, readings: tuple[ReadingStatus, ...], stale: bool
) -> None:
    bench.reading.readings = readings

    assert [each["about"] for each in await findings(bench)] == (["dc1", "local"] if stale else [])
