from collections.abc import Mapping, Sequence

import pytest

from adapters.ecs.address import Surroundings
from adapters.ecs.book import Book, Report
from adapters.ecs.config import Config
from adapters.ecs.mapping import Mapper
from adapters.ecs.payload import Task
from bridge.model import Endpoint, Health, InstanceId
from support.ecs import container_definition, definition, tags, task, task_arn

DEFINITIONS = {one.task_definition_arn: one for one in (definition("web:1"), definition("web:2"), definition("api:1"))}


class Clerk:
    """A book, and what it was told; time passes when the test says so."""

    def __init__(self, **config: object) -> None:
        self.book = Book(Mapper(Config.model_validate(config)))
        self.now = 0.0
        self.definitions = dict(DEFINITIONS)

    def read(self, *tasks: Task, missing: Sequence[str] = ()) -> Report | None:
        """One pass in which these tasks were described."""
        self.book.take(tasks, [task_arn(name) for name in missing], self.now)
        self.book.translate(self.book.tasks, self.surround, self.now)
        return self.book.report(anew=False)

    def surround(self, mapped: Task) -> Surroundings | None:
        found = self.definitions.get(mapped.task_definition_arn)
        return Surroundings(found) if found else None

    def served(self) -> Mapping[str, Mapping[str, Health]]:
        """The health of each address of each service."""
        report = self.book.report(anew=True)
        assert report is not None
        return {
            name: {entry.address: entry.health for entry in entries if isinstance(entry, Endpoint)}
            for name, entries in report.services.items()
        }


def test_absence_from_every_list_takes_nothing_away() -> None:
    clerk = Clerk()
    clerk.read(task("t1"), task("t2", address="10.0.0.2"))

    assert clerk.read() is None

    assert set(clerk.served()["web"]) == {"10.0.0.1", "10.0.0.2"}
    assert clerk.book.to_describe([]) == (task_arn("t1"), task_arn("t2"))


@pytest.mark.parametrize("state", ["DEPROVISIONING", "STOPPED"])
def test_described_end_takes_the_task_away_with_evidence(state: str) -> None:
    clerk = Clerk()
    clerk.read(task("t1"), task("t2", address="10.0.0.2"))

    report = clerk.read(task("t1", lastStatus=state, desiredStatus="STOPPED"))

    assert report is not None
    assert report.ended == {InstanceId("t1/app")}
    assert set(clerk.served()["web"]) == {"10.0.0.2"}


def test_missing_task_is_taken_away_with_evidence() -> None:
    clerk = Clerk()
    clerk.read(task("t1"))

    report = clerk.read(missing=["t1", "never-known"])

    assert report is not None
    assert report.ended == {InstanceId("t1/app")}
    assert report.services == {}


def test_label_that_is_gone_is_evidence() -> None:
    clerk = Clerk()
    clerk.definitions[definition().task_definition_arn] = definition("web:1", container_definition())
    clerk.read(task("t1", tags=tags(xds_service="web")))

    report = clerk.read(task("t1"))

    assert report is not None
    assert report.ended == {InstanceId("t1/app")}


def test_stopping_task_drains_until_it_has_stopped() -> None:
    clerk = Clerk()
    clerk.read(task("t1"))

    for last in ("RUNNING", "DEACTIVATING", "STOPPING"):
        clerk.read(task("t1", lastStatus=last, desiredStatus="STOPPED"))
        assert clerk.served() == {"web": {"10.0.0.1": Health.DRAINING}}
    clerk.read(task("t1", lastStatus="STOPPED", desiredStatus="STOPPED"))

    assert clerk.served() == {}


def test_task_that_never_stops_is_let_go() -> None:
    clerk = Clerk(drain_max="10m")
    stopping = task("t1", desiredStatus="STOPPED")
    clerk.read(task("t1"))
    clerk.read(stopping)

    clerk.now += 599
    clerk.read(stopping)
    assert clerk.served() == {"web": {"10.0.0.1": Health.DRAINING}}
    clerk.now += 1
    report = clerk.read(stopping)

    assert report is not None
    assert report.services == {}
    assert report.ended == frozenset(), "that time has passed is no evidence"
    assert clerk.read(stopping) is None
    report = clerk.read(task("t1", lastStatus="STOPPED", desiredStatus="STOPPED"))
    assert report is not None
    assert report.ended == {InstanceId("t1/app")}


def test_older_revisions_go_on_serving_during_a_rolling_update() -> None:
    clerk = Clerk()
    clerk.read(task("old", "web:1"))

    clerk.read(task("new", "web:2", address="10.0.0.2", lastStatus="PENDING"))
    assert clerk.served() == {"web": {"10.0.0.1": Health.HEALTHY}}
    clerk.read(task("new", "web:2", address="10.0.0.2"))
    clerk.read(task("old", "web:1", desiredStatus="STOPPED"))

    assert clerk.served() == {"web": {"10.0.0.1": Health.DRAINING, "10.0.0.2": Health.HEALTHY}}


def test_service_whose_tasks_all_start_is_empty_and_not_gone() -> None:
    clerk = Clerk()
    clerk.read(task("t1"))

    clerk.read(
        task("t1", lastStatus="STOPPED", desiredStatus="STOPPED"),
        task("t2", lastStatus="PROVISIONING", address=""),
    )

    assert clerk.served() == {"web": {}}


def test_ended_task_does_not_come_back_by_an_older_read() -> None:
    clerk = Clerk()
    clerk.read(task("t1"))
    clerk.read(task("t1", lastStatus="STOPPED", desiredStatus="STOPPED"))

    clerk.read(task("t1"))

    assert clerk.served() == {}
    assert clerk.book.to_describe([task_arn("t1")]) == ()
    clerk.now += 3601
    clerk.read()
    assert clerk.book.to_describe([task_arn("t1")]) == (task_arn("t1"),)


def test_task_reported_missing_may_come_back() -> None:
    """A task that was just started may be listed before it can be described."""
    clerk = Clerk()
    clerk.read(missing=["t1"])

    clerk.read(task("t1"))

    assert clerk.served() == {"web": {"10.0.0.1": Health.HEALTHY}}


def test_task_whose_surroundings_are_unknown_waits_alone_and_keeps_what_it_had() -> None:
    clerk = Clerk()
    clerk.read(task("t1"), task("t2", "new:1", address="10.0.0.2"))
    assert clerk.served() == {"web": {"10.0.0.1": Health.HEALTHY}}

    clerk.definitions.clear()
    clerk.read(task("t1", desiredStatus="STOPPED"))
    assert clerk.served() == {"web": {"10.0.0.1": Health.HEALTHY}}
    clerk.definitions = dict(DEFINITIONS)
    clerk.read()

    assert clerk.served() == {"web": {"10.0.0.1": Health.DRAINING}}


def test_task_of_a_refused_definition_is_set_aside_where_its_owner_looks() -> None:
    clerk = Clerk()
    clerk.book.take([task("t1", "shop:9", group="service:storefront")], [], 0)
    clerk.book.translate(clerk.book.tasks, lambda _: "there is no such revision", 0)

    report = clerk.book.report(anew=False)

    assert report is not None
    ((name, entries),) = report.services.items()
    assert name == "storefront"
    assert [entry.reason for entry in entries if not isinstance(entry, Endpoint)] == [
        "task t1 (shop:9): there is no such revision"
    ]


def test_same_reads_give_no_further_report() -> None:
    clerk = Clerk()
    assert clerk.read(task("t1"), task("t2", address="10.0.0.2")) is not None

    assert clerk.read(task("t2", address="10.0.0.2"), task("t1")) is None


def test_first_report_is_made_even_when_there_is_nothing() -> None:
    report = Clerk().read()

    assert report is not None
    assert report.services == {}


def test_address_taken_over_by_a_new_task_is_its_own() -> None:
    clerk = Clerk()
    clerk.read(task("old"))

    clerk.read(task("old", desiredStatus="STOPPED"), task("new", "web:2"))

    assert clerk.served() == {"web": {"10.0.0.1": Health.HEALTHY}}


def test_end_of_the_cluster_ends_everything() -> None:
    clerk = Clerk()
    clerk.read(task("t1"), task("t2", "api:1", address="10.0.0.2"))

    clerk.book.end()

    report = clerk.book.report(anew=False)
    assert report is not None
    assert report.services == {}
    assert report.ended == {InstanceId("t1/app"), InstanceId("t2/app")}
