"""What was heard of tasks, on its way to the clusters that they belong to."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from adapters._aws import AwsError, Hint, TaskChanged
from adapters.ecs.arn import last_part
from adapters.ecs.cluster import ClusterReader, Context, Reads


async def follow_up(
    hints: Sequence[Hint], readers: Iterable[ClusterReader], client: Reads, context: Context
) -> Mapping[Hint, AwsError | None]:
    """Read tasks again; returns the hints to be heard again, with what went wrong if anything did.

    Hints of other clusters, and of other things than tasks, mean nothing here. Clusters do not wait for each other.

    Args:
        hints: of one account and region.
        readers: of the clusters that are followed there.
        client: for hints only.
        context: of the adapter.
    """
    now = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as tasks:
        found = [
            (versions, tasks.create_task(reader.follow_up(client, context, versions, now)))
            for reader in readers
            if (versions := _versions(hints, reader))
        ]
    left = {arn: error for _, task in found for arn, error in task.result().items()}
    return {
        hint: left[hint.about.arn] for hint in hints if isinstance(hint.about, TaskChanged) and hint.about.arn in left
    }


def _versions(hints: Sequence[Hint], reader: ClusterReader) -> Mapping[str, int]:
    """The tasks of a cluster that something was heard of, with the highest count of each."""
    found: dict[str, int] = {}
    for hint in hints:
        if isinstance(hint.about, TaskChanged) and _is_of(hint.about.cluster, reader):
            found[hint.about.arn] = max(hint.about.version, found.get(hint.about.arn, 0))
    return found


def _is_of(cluster: str, reader: ClusterReader) -> bool:
    return cluster == reader.arn if reader.arn else last_part(cluster) == reader.name
