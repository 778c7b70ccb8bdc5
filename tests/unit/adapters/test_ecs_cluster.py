import pytest

from adapters._aws import AwsError, Kind
from adapters.ecs.cluster import CONFIRM_AFTER, NO_CLUSTER, ClusterGoneError, ClusterReader
from adapters.ecs.config import Config
from adapters.ecs.payload import Cluster
from bridge.model import Health, Scope
from support.ecs import CLUSTER, definition, definition_arn, task, task_arn
from support.ecs_reads import MemoryReads
from support.recording import RecordingContext

NOT_FOUND = AwsError("Cluster not found.", Kind.REJECTED, NO_CLUSTER)
UNAVAILABLE = AwsError("away", Kind.UNAVAILABLE, "ServerException")


@pytest.fixture
def reads() -> MemoryReads:
    cluster = Cluster(CLUSTER, "ACTIVE")
    return MemoryReads(
        clusters={CLUSTER: cluster, "prod": cluster},
        running={task_arn("t1"): task("t1"), task_arn("t2"): task("t2", address="10.0.0.2")},
        definitions={definition_arn(): definition()},
    )


@pytest.fixture
def context() -> RecordingContext:
    return RecordingContext()


async def passed(
    reader: ClusterReader, reads: MemoryReads, context: RecordingContext, now: float = 0.0
) -> tuple[AwsError, ...]:
    """One pass; returns what could not be had."""
    errors = await reader.describe(reads, context, now)
    errors += await reader.resolve(reads, now)
    await reader.report(context.sink, now, complete=not errors)
    return errors


@pytest.mark.parametrize("name", ["prod", CLUSTER])
async def test_scope_is_the_arn_however_the_cluster_is_named(
    name: str, reads: MemoryReads, context: RecordingContext
) -> None:
    reader = ClusterReader(Config(), name)

    assert await passed(reader, reads, context) == ()
    assert reads.operations().count("cluster") == (name == "prod")
    assert await passed(reader, reads, context) == ()

    assert context.sink.calls == [("replace", CLUSTER)], "the second pass found nothing new"
    assert reader.spoken
    assert reads.operations() == ["task_arns", "tasks"]


async def test_cluster_that_is_gone_is_removed_when_that_was_said_twice_a_minute_apart(
    reads: MemoryReads, context: RecordingContext
) -> None:
    reader = ClusterReader(Config(), CLUSTER)
    await passed(reader, reads, context)
    reads.errors["task_arns"] = NOT_FOUND
    reads.clusters[CLUSTER] = Cluster(CLUSTER, "INACTIVE")

    for now in (100, 100 + CONFIRM_AFTER - 1):
        (error,) = await passed(reader, reads, context, now)
        assert error.retry_after == CONFIRM_AFTER
        assert context.sink.lost == []
    with pytest.raises(ClusterGoneError, match="does not exist; create it"):
        await passed(reader, reads, context, 100 + CONFIRM_AFTER)

    assert context.sink.lost == ["10.0.0.1:8080", "10.0.0.2:8080"]


async def test_cluster_that_lists_deny_and_descriptions_show_is_kept(
    reads: MemoryReads, context: RecordingContext
) -> None:
    reader = ClusterReader(Config(), CLUSTER)
    await passed(reader, reads, context)
    reads.errors["task_arns"] = NOT_FOUND

    for now in (100, 1000):
        assert NOT_FOUND in await passed(reader, reads, context, now)

    assert context.sink.lost == []


async def test_cluster_that_cannot_be_looked_for_is_kept(reads: MemoryReads, context: RecordingContext) -> None:
    reader = ClusterReader(Config(), CLUSTER)
    await passed(reader, reads, context)
    reads.errors |= {"task_arns": NOT_FOUND, "cluster": UNAVAILABLE}

    for now in (100, 1000):
        assert UNAVAILABLE in await passed(reader, reads, context, now)

    assert context.sink.lost == []


async def test_cluster_that_was_seen_again_begins_anew(reads: MemoryReads, context: RecordingContext) -> None:
    reader = ClusterReader(Config(), CLUSTER)
    await passed(reader, reads, context)
    there = reads.clusters.pop(CLUSTER)
    reads.errors["task_arns"] = NOT_FOUND
    await passed(reader, reads, context, 100)
    reads.errors.clear()
    reads.clusters[CLUSTER] = there
    assert await passed(reader, reads, context, 150) == ()
    reads.errors["task_arns"] = NOT_FOUND
    del reads.clusters[CLUSTER]

    (error,) = await passed(reader, reads, context, 200)

    assert "Nothing is removed before that is confirmed" in str(error)
    assert context.sink.lost == []


async def test_cluster_that_never_existed_lets_the_others_speak(reads: MemoryReads, context: RecordingContext) -> None:
    reader = ClusterReader(Config(), "typo")

    (error,) = await passed(reader, reads, context)
    assert "cluster 'typo' is not to be found" in str(error)
    assert not reader.spoken
    with pytest.raises(ClusterGoneError, match="cluster 'typo' does not exist; create it, or take it out"):
        await passed(reader, reads, context, CONFIRM_AFTER)

    assert reader.spoken
    assert context.sink.state == {}


async def test_partial_pass_adds_and_is_made_good_by_the_next_complete_one(
    reads: MemoryReads, context: RecordingContext
) -> None:
    reader = ClusterReader(Config(), CLUSTER)
    reads.errors["task_definition"] = UNAVAILABLE
    assert await passed(reader, reads, context) == (UNAVAILABLE,)
    assert not reader.spoken
    reads.errors.clear()

    await passed(reader, reads, context)

    assert context.sink.calls == [("add", CLUSTER), ("replace", CLUSTER)]
    assert context.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080"}


async def test_another_run_reports_everything_again(reads: MemoryReads, context: RecordingContext) -> None:
    reader = ClusterReader(Config(), CLUSTER)
    await passed(reader, reads, context)
    reader.resume()

    await passed(reader, reads, context)

    assert context.sink.calls == [("replace", CLUSTER)] * 2


async def test_ended_tasks_go_in_a_partial_pass_too(reads: MemoryReads, context: RecordingContext) -> None:
    reader = ClusterReader(Config(), CLUSTER)
    await passed(reader, reads, context)
    reads.errors["task_arns"] = UNAVAILABLE
    reads.running[task_arn("t1")] = task("t1", lastStatus="STOPPED", desiredStatus="STOPPED")

    assert await passed(reader, reads, context) == (UNAVAILABLE,)

    assert context.sink.lost == ["10.0.0.1:8080"]


async def test_cluster_that_ended_before_the_process_began_is_reported_as_empty_and_without_evidence(
    reads: MemoryReads, context: RecordingContext
) -> None:
    """What somebody knew of it before is for them to judge: nobody has seen these tasks end."""
    reader = ClusterReader(Config(), CLUSTER)
    reads.errors["task_arns"] = NOT_FOUND
    reads.clusters.clear()

    await passed(reader, reads, context)
    assert context.sink.calls == [("add", CLUSTER)], "it was said once only"
    for now in (CONFIRM_AFTER, 2 * CONFIRM_AFTER):
        with pytest.raises(ClusterGoneError):
            await passed(reader, reads, context, now)

    assert context.sink.calls == [("add", CLUSTER), ("replace", CLUSTER)]
    assert context.sink.state == {Scope(CLUSTER): {}}
    assert context.sink.removed == set()
    assert reader.spoken


async def test_task_that_is_to_stop_when_the_process_begins_is_drained(
    reads: MemoryReads, context: RecordingContext
) -> None:
    """Only those that are to run are listed; who is to stop after that is known already."""
    reads.running[task_arn("t1")] = task("t1", desiredStatus="STOPPED")
    reads.running[task_arn("t3")] = task("t3", desiredStatus="STOPPED", lastStatus="STOPPED", address="10.0.0.3")
    reader = ClusterReader(Config(), CLUSTER)

    assert await passed(reader, reads, context) == ()
    assert await passed(reader, reads, context, 1) == ()

    healths = {key: endpoint.health for key, endpoint in context.sink.services["web"].items()}
    assert healths == {"10.0.0.1:8080": Health.DRAINING, "10.0.0.2:8080": Health.HEALTHY}
    assert reads.operations().count("stopping_arns") == 1


async def test_tasks_that_are_to_stop_are_looked_for_until_they_could_be_listed(
    reads: MemoryReads, context: RecordingContext
) -> None:
    reads.running[task_arn("t1")] = task("t1", desiredStatus="STOPPED")
    reads.errors["stopping_arns"] = UNAVAILABLE
    reader = ClusterReader(Config(), CLUSTER)
    assert await passed(reader, reads, context) == (UNAVAILABLE,)
    assert context.sink.addresses("web") == {"10.0.0.2:8080"}
    assert not reader.spoken
    reads.errors.clear()

    await passed(reader, reads, context, 1)

    assert context.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080"}
