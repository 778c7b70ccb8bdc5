"""What a variant decides and the shared core carries out: the border between the two."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from xds.cache import Generation
from xds.message import DeltaRequest, Request
from xds.snapshot import Snapshot
from xds.stream.channel import Channel, Rejection, Sent
from xds.subscription import NOTHING

RequestT = TypeVar("RequestT", Request, DeltaRequest)
RequestT_contra = TypeVar("RequestT_contra", Request, DeltaRequest, contravariant=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """The content of the next response of a channel."""

    snapshot: Snapshot
    names: frozenset[str]
    removed: frozenset[str] = NOTHING
    fresh: frozenset[str] = NOTHING
    """Names whose content may be new to the client, which then waits for what they require."""


class Variant(Protocol[RequestT_contra]):
    """The rules in which State of the World and Delta differ. Has no state: that is in the channels."""

    @property
    def transport(self) -> str:
        """`sotw` or `delta`."""

    @property
    def incremental(self) -> bool:
        """Which of the two encodings responses have."""

    @property
    def skips(self) -> bool:
        """Whether clients leave responses unanswered when they answer a later one, which then stands for all."""

    def subscribe(self, channel: Channel, request: RequestT_contra) -> None:
        """Apply what a request wants, whatever its nonce."""

    def plan(self, channel: Channel, generation: Generation, due: frozenset[str]) -> Plan | None:
        """What to send now, of the names that are `due`; None if that is nothing."""

    def accept(self, channel: Channel, sent: Sent) -> None:
        """Draw the consequences of an ACK."""

    def reject(
        self, channel: Channel, answered: Sequence[Sent], request: RequestT_contra, rejection: Rejection
    ) -> None:
        """Draw the consequences of a NACK, of the last of the responses that it answers."""

    def isolate(self, channel: Channel, generation: Generation, suspects: frozenset[str]) -> Plan | None:
        """What to send to find out whether there is a bad one among `suspects`; None if that is not to be tried."""
