"""In which order those are let in who come faster than they can be served."""

from collections import OrderedDict
from typing import Generic, TypeVar

from xds.bucket import Bucket

TicketT = TypeVar("TicketT")


class Rotation(Generic[TicketT]):
    """Those who wait: first come, first served, but clients take turns."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, dict[TicketT, None]] = OrderedDict()
        """Tickets in their order, by client; the client whose turn is next comes first."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, client: str, ticket: TicketT) -> None:
        """Wait, behind others of the same client."""
        self._waiting.setdefault(client, {})[ticket] = None

    def discard(self, client: str, ticket: TicketT) -> None:
        """Wait no longer; means nothing for a ticket whose turn has come."""
        tickets = self._waiting.get(client, {})
        tickets.pop(ticket, None)
        if not tickets:
            self._waiting.pop(client, None)

    def pop(self) -> TicketT:
        """The ticket whose turn it is; there must be one."""
        client, tickets = self._waiting.popitem(last=False)
        ticket = next(iter(tickets))
        del tickets[ticket]
        if tickets:
            self._waiting[client] = tickets  # at the end: everybody else has a turn first
        return ticket

    def clear(self) -> list[TicketT]:
        """Let nobody wait any longer; returns the tickets of all who did."""
        dismissed = [ticket for tickets in self._waiting.values() for ticket in tickets]
        self._waiting.clear()
        return dismissed


class Turns(Generic[TicketT]):
    """Lets so many in per second, those of a `Rotation`.

    So a client that opens thousands of streams delays itself, and the single stream of another by one turn.

    Args:
        bucket: how many are let in.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._waiting = Rotation[TicketT]()

    def join(self, client: str, ticket: TicketT, now: float) -> bool:
        """Whether whoever comes now is let in at once; otherwise `due` will return the ticket."""
        if not self._waiting and not self._bucket.wait(now):
            self._bucket.take(now)
            return True
        self._waiting.add(client, ticket)
        return False

    def leave(self, client: str, ticket: TicketT) -> None:
        """Wait no longer; means nothing for a ticket whose turn has come."""
        self._waiting.discard(client, ticket)

    def dismiss(self) -> list[TicketT]:
        """Let nobody wait any longer; returns the tickets of all who did."""
        return self._waiting.clear()

    def wait(self, now: float) -> float | None:
        """Seconds until `due` has somebody; None while nobody waits."""
        return self._bucket.wait(now) if self._waiting else None

    def due(self, now: float) -> list[TicketT]:
        """Tickets of those whose turn has come."""
        found = []
        while self._waiting and not self._bucket.wait(now):
            self._bucket.take(now)
            found.append(self._waiting.pop())
        return found
