from adapters.ecs.address import Surroundings
from adapters.ecs.book import Book
from adapters.ecs.config import Config
from adapters.ecs.explanation import tell
from adapters.ecs.mapping import Mapper
from adapters.ecs.payload import Task, TaskDefinition
from bridge.model import EndpointKey, Scope
from bridge.provenance import Question, Search, Statement, Verdict
from support.ecs import container_definition, definition, tags, task

SCOPE = Scope("arn:aws:ecs:eu-west-1:123456789012:cluster/prod")
KEY = EndpointKey("10.0.0.1", 8080)


def told(
    about: str | EndpointKey, *tasks: Task, around: TaskDefinition | str | None = None, later: float = 0.0
) -> Statement:
    book = Book(Mapper(Config.model_validate({"drain_max": "60s"})))
    found = around if isinstance(around, str) else Surroundings(around or definition())
    book.take(tasks, (), 0.0)
    book.translate(tasks, lambda _: found, 0.0)
    book.translate(tasks, lambda _: found, later)
    search = Search(Question(service=about) if isinstance(about, str) else Question(key=about))
    assert tell(search, SCOPE, book, lambda _: found, "xds-") == len(tasks)
    return search.statement("")


def test_a_task_is_told_by_its_service_its_ecs_service_and_its_address() -> None:
    for about in ("web", KEY):
        [seen] = told(about, task()).sightings
        assert (seen.verdict, seen.instance, seen.reported) == (Verdict.REPORTED, "t1/app", "10.0.0.1:8080")
    assert told(EndpointKey("10.0.0.1", 81), task()).sightings == ()


def test_docker_labels_and_task_tags_are_told_as_they_are() -> None:
    [seen] = told("web", task(tags=tags(team="blue"))).sightings

    raw = dict(seen.raw)
    assert raw["tag team"] == "blue"
    assert raw["app: xds-service"] == "web"
    assert raw["(status)"] == "RUNNING"


def test_a_task_without_a_label_is_told_with_that() -> None:
    bare = definition("web:1", container_definition())

    [seen] = told(KEY, task(), around=bare).sightings

    assert seen.verdict is Verdict.LEFT_OUT
    assert seen.reason == "neither a container has the docker label `xds-service` nor the task a tag of that name"


def test_a_task_that_starts_and_one_whose_definition_is_refused_are_told_with_why() -> None:
    [starting] = told("web", task(lastStatus="PENDING")).sightings
    [refused] = told(KEY, task(), around="access denied").sightings

    assert starting.reason == "the task is starting: its last status is 'PENDING'"
    assert (refused.verdict, "access denied" in refused.reason) == (Verdict.SET_ASIDE, True)


def test_a_task_that_drains_for_too_long_is_told_with_the_key_that_says_so() -> None:
    [seen] = told(KEY, task(desiredStatus="STOPPED"), later=61.0).sightings

    assert (seen.verdict, seen.reason) == (
        Verdict.LEFT_OUT,
        "the task drains for longer than `drain_max` of the source",
    )
