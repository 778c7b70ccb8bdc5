import json
from collections.abc import Iterator

import pytest

from bridge.resources import ResourceBuilder
from bridge.rest.body import Bodies
from support.builders import appeared, service
from xds import CLUSTER, ENDPOINT, Request, Response, Snapshot, SnapshotCache, fetch


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    bodies = Bodies()
    yield bodies
    bodies.close()


def asked(*services: str, names: frozenset[str] = frozenset(), endpoints: bool = False) -> Response:
    cache = SnapshotCache()
    cache.set(ResourceBuilder({}, []).apply(Snapshot(), appeared(*map(service, services))))
    answer = fetch(cache, ENDPOINT if endpoints else CLUSTER, Request(names=names))
    assert isinstance(answer, Response)
    return answer


async def test_equal_answers_are_one_body(bodies: Bodies) -> None:
    first = await bodies.render(asked("a", "b"))
    second = await bodies.render(asked("a", "b"))

    assert first is second
    assert json.loads(first)["version_info"] == asked("a", "b").version


async def test_answers_to_different_questions_are_different_bodies(bodies: Bodies) -> None:
    answers = [asked("a", "b"), asked("a"), asked("a", "b", names=frozenset("a"), endpoints=True), asked()]

    documents = [json.loads(await bodies.render(answer)) for answer in answers]

    assert [len(document["resources"]) for document in documents] == [2, 1, 1, 0]


async def test_names_that_do_not_exist_are_not_taken_for_each_other(bodies: Bodies) -> None:
    names = [
        json.loads(await bodies.render(asked(names=frozenset({name}), endpoints=True)))["resources"][0]["cluster_name"]
        for name in ("nobody", "nowhere")
    ]

    assert names == ["nobody", "nowhere"]
