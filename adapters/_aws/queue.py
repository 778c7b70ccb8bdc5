"""The queue of SQS that events come through: what its URL says, and of which account and region it tells.

A queue hands each message to one reader only, so every source of every replica of the bridge has queues of its own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters._aws.place import REGION, Place

_PATH = re.compile(r"/([0-9]{12})/([A-Za-z0-9_-]{1,80})", re.ASCII)
_HOST = re.compile(rf"(?:^|\.)sqs(?:-fips)?\.({REGION.pattern})\.|^({REGION.pattern})\.queue\.")
_FORM = "https://sqs.eu-west-1.amazonaws.com/123456789012/xds-bridge"


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue by its URL."""

    url: str
    account: str
    region: str
    """Empty where the host names none, as an emulator's does."""

    @property
    def name(self) -> str:
        """What its owner calls it."""
        return self.url.rpartition("/")[2]


def parsed(url: str) -> Queue:
    """A URL taken apart.

    Raises:
        ValueError: it is none of a queue, or of one whose messages wait for each other.
    """
    if url.endswith(".fifo"):
        raise ValueError(
            f"{url[:200]!r} keeps messages in order, so that one holds up the others; use a standard queue"
        )
    parts = urlsplit(url)
    path = _PATH.fullmatch(parts.path)
    if parts.scheme not in ("http", "https") or parts.username is not None or not parts.hostname or path is None:
        raise ValueError(f"{url[:200]!r} is not the URL of a queue, which is written like {_FORM}")
    region = _HOST.search(parts.hostname)
    return Queue(url, path[1], (region[1] or region[2]) if region else "")


def assigned(queues: Iterable[Queue], places: Sequence[Place]) -> Mapping[Place, Queue]:
    """Which queue tells of which place: one in the same region, and in its account where the place names that.

    Raises:
        ValueError: a queue is of none of the places or could be of several, or a place has two.
    """
    found: dict[Place, Queue] = {}
    for queue in queues:
        place = _place(queue, places)
        if place in found:
            raise ValueError(f"{queue.url} and {found[place].url} are both for {place}, which can have one queue")
        found[place] = queue
    return found


def _place(queue: Queue, places: Sequence[Place]) -> Place:
    near = [place for place in places if queue.region in ("", place.region)]
    if not near:
        regions = ", ".join(sorted({place.region for place in places}))
        raise ValueError(
            f"{queue.url} is in none of the regions that are read: {regions};"
            " name a queue there, or read its region as well"
        )
    own = [place for place in near if place.account == queue.account]
    # The account of the bridge's own credentials has no number here, so it may be the queue's.
    found = own or [place for place in near if place.role is None]
    if not found:
        raise ValueError(f"{queue.url} is in account {queue.account}, which is none of those that are read")
    if len(found) > 1:
        names = ", ".join(sorted(map(str, found)))
        raise ValueError(f"{queue.url} names no region, and could be for any of {names}; write it like {_FORM}")
    return found[0]
