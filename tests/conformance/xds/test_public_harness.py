"""The scenarios of the public xds-test-harness, for clusters, listeners, routes and endpoints.

https://github.com/ii/xds-test-harness, features `delta`, `subscribing` and `unsubscribing`. The harness sets version
strings and asserts on them, and ends each scenario with "the service never responds more than necessary".
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from support.control_plane import ALL_TYPES, LISTENER, ROUTE, ControlPlane
from support.harness_client import HarnessClient
from support.xds_client import XdsClient
from xds import CLUSTER, ENDPOINT, ResourceType, SnapshotCache, XdsServer

TestT = TypeVar("TestT", bound=Callable[..., object])

EVERY = (CLUSTER, LISTENER, ROUTE, ENDPOINT)
WHOLE = (CLUSTER, LISTENER)
PARTIAL = (ROUTE, ENDPOINT)


def row(number: str, kinds: Sequence[ResourceType]) -> Callable[[TestT], TestT]:
    """A scenario with the types it runs for; its transports are those of its rule."""

    def decorate(test: TestT) -> TestT:
        for_kinds = pytest.mark.parametrize("kind", kinds, ids=_short)
        marked: TestT = pytest.mark.item(number)(for_kinds(test))
        return marked

    return decorate


def pairs(number: str, kinds: Sequence[tuple[ResourceType, ResourceType]]) -> Callable[[TestT], TestT]:
    """A scenario of two types on one stream."""

    def decorate(test: TestT) -> TestT:
        for_kinds = pytest.mark.parametrize(("kind", "other"), kinds, ids=_short)
        marked: TestT = pytest.mark.item(number)(for_kinds(test))
        return marked

    return decorate


def _short(kind: ResourceType) -> str:
    return kind.url.rpartition(".")[2]


@pytest.fixture
def types() -> Sequence[ResourceType]:
    return ALL_TYPES


@pytest.fixture
def plane(cache: SnapshotCache) -> ControlPlane:
    return ControlPlane(cache)


@pytest.fixture
def harness(client: XdsClient, server: XdsServer) -> HarnessClient:
    return HarnessClient(client, server)


async def nothing_but_necessary(harness: HarnessClient, plane: ControlPlane, *kinds: ResourceType) -> None:
    for kind in kinds:
        plane.put(kind, "end", "fence")
        await harness.expect_nothing_but(kind, "end", "fence")


@row("D1", EVERY)
async def test_subscribe_to_one_then_to_a_second(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b", "c")

    await harness.ask(kind, "a")
    await harness.expect(kind, "1", "a")
    await harness.ask(kind, "b")
    await harness.expect(kind, "1", "b")

    await nothing_but_necessary(harness, plane, kind)


@row("D2", EVERY)
async def test_of_three_only_the_updated_one_comes(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b", "c")
    await harness.ask(kind, "a", "b", "c")
    await harness.expect(kind, "1", "a", "b", "c")

    plane.put(kind, "2", "a")
    await harness.expect(kind, "2", "a")

    await nothing_but_necessary(harness, plane, kind)


@row("D3", EVERY)
async def test_a_missing_one_is_told_and_comes_when_it_is_created(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a")
    await harness.ask(kind, "a", "late")
    await harness.expect(kind, "1", "a", removed=["late"])

    plane.put(kind, "2", "late")
    await harness.expect(kind, "2", "late")

    await nothing_but_necessary(harness, plane, kind)


@row("D4", EVERY)
async def test_removal_is_told_and_so_is_the_return(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b")
    await harness.ask(kind, "a", "b")
    await harness.expect(kind, "1", "a", "b")

    plane.remove(kind, "2", "a")
    await harness.expect(kind, "2", removed=["a"])
    plane.put(kind, "3", "a")
    await harness.expect(kind, "3", "a")

    await nothing_but_necessary(harness, plane, kind)


@row("D5", EVERY)
async def test_unsubscribed_one_by_one_none_comes_any_more(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b")
    await harness.ask(kind, "a", "b")
    await harness.expect(kind, "1", "a", "b")

    await harness.give_up(kind, "a")
    plane.put(kind, "2", "a", "b")
    await harness.expect(kind, "2", "b")
    await harness.give_up(kind, "b")
    plane.put(kind, "3", "a", "b")

    await nothing_but_necessary(harness, plane, kind)


@pairs("D6", [(CLUSTER, LISTENER), (LISTENER, CLUSTER), (ROUTE, ENDPOINT), (ENDPOINT, ROUTE)])
async def test_two_types_of_one_stream_are_both_updated(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType, other: ResourceType
) -> None:
    for each in (kind, other):
        plane.put(each, "1", "a", "b")
        await harness.ask(each, "a")
        await harness.expect(each, "1", "a")

    for each in (kind, other):
        plane.put(each, "2", "a", "b")
        await harness.expect(each, "2", "a")

    await nothing_but_necessary(harness, plane, kind, other)


@row("S1", WHOLE)
async def test_everything_comes_in_a_single_response(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b", "c")

    await harness.ask(kind)
    await harness.expect(kind, "1", "a", "b", "c")

    await nothing_but_necessary(harness, plane, kind)


@row("S2", WHOLE)
async def test_an_update_brings_everything_in_a_single_response(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b", "c")
    await harness.ask(kind)
    await harness.expect(kind, "1", "a", "b", "c")

    plane.put(kind, "2", "b")
    await harness.expect(kind, "2", "a", "b", "c")

    await nothing_but_necessary(harness, plane, kind)


@row("S3", WHOLE)
async def test_an_addition_brings_everything_in_a_single_response(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b")
    await harness.ask(kind)
    await harness.expect(kind, "1", "a", "b")

    plane.put(kind, "2", "c")
    await harness.expect(kind, "2", "a", "b", "c")

    await nothing_but_necessary(harness, plane, kind)


@row("S4", EVERY)  # the harness itself has listeners and routes only
async def test_a_subset_asked_for_is_what_comes(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b", "c")

    await harness.ask(kind, "a", "b")
    await harness.expect(kind, "1", "a", "b")

    await nothing_but_necessary(harness, plane, kind)


@row("S5", WHOLE)
async def test_a_change_brings_the_whole_subset_in_a_single_response(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b", "c")
    await harness.ask(kind, "a", "b")
    await harness.expect(kind, "1", "a", "b")

    plane.put(kind, "2", "a")
    await harness.expect(kind, "2", "a", "b")

    await nothing_but_necessary(harness, plane, kind)


@row("S6", PARTIAL)
async def test_a_change_brings_what_changed(harness: HarnessClient, plane: ControlPlane, kind: ResourceType) -> None:
    plane.put(kind, "1", "a", "b", "c")
    await harness.ask(kind, "a", "b")
    await harness.expect(kind, "1", "a", "b")

    plane.put(kind, "2", "a")
    await harness.expect(kind, "2", "a")

    await nothing_but_necessary(harness, plane, kind)


@row("S7", WHOLE)
async def test_a_missing_one_that_is_created_brings_the_whole_subset(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b")
    await harness.ask(kind, "a", "b", "late")
    await harness.expect(kind, "1", "a", "b")

    plane.put(kind, "2", "late")
    await harness.expect(kind, "2", "a", "b", "late")

    await nothing_but_necessary(harness, plane, kind)


@row("S8", PARTIAL)
async def test_a_missing_one_that_is_created_comes(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b")
    await harness.ask(kind, "a", "b", "late")
    empty = ["late"] if kind.placeholder else []
    await harness.expect(kind, "1", "a", "b", *empty)

    plane.put(kind, "2", "late")
    await harness.expect(kind, "2", "late")

    await nothing_but_necessary(harness, plane, kind)


@pairs("S9", [(CLUSTER, LISTENER), (ROUTE, ENDPOINT)])
async def test_two_types_share_a_stream(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType, other: ResourceType
) -> None:
    for each in (kind, other):
        plane.put(each, "1", "a", "b", "c")

    for each in (kind, other):
        await harness.ask(each, "a", "b")
        await harness.expect(each, "1", "a", "b")

    await nothing_but_necessary(harness, plane, kind, other)


@row("U1", WHOLE)
async def test_with_fewer_names_the_rest_is_still_updated(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b", "c")
    await harness.ask(kind, "a", "b", "c")
    await harness.expect(kind, "1", "a", "b", "c")

    await harness.give_up(kind, "c")
    plane.put(kind, "2", "a", "b")
    await harness.expect(kind, "2", "a", "b")

    await nothing_but_necessary(harness, plane, kind)


@row("U2", PARTIAL)
async def test_with_fewer_names_nothing_but_the_rest_is_updated(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b")
    await harness.ask(kind, "a", "b")
    await harness.expect(kind, "1", "a", "b")

    await harness.give_up(kind, "a")
    plane.put(kind, "2", "a", "b")
    await harness.expect(kind, "2", "b")

    await nothing_but_necessary(harness, plane, kind)


@row("U3", EVERY)
async def test_without_names_any_more_nothing_comes(
    harness: HarnessClient, plane: ControlPlane, kind: ResourceType
) -> None:
    plane.put(kind, "1", "a", "b")
    await harness.ask(kind, "a", "b")
    await harness.expect(kind, "1", "a", "b")

    await harness.give_up(kind, "a", "b")
    plane.put(kind, "2", "a", "b")

    await nothing_but_necessary(harness, plane, kind)
