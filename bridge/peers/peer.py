"""What is known of one peer, and what is logged when that changes: state without I/O."""

import logging
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.peers.comparison import Difference, Drift, Look, beginning, difference, drift
from bridge.restoration import Clock

log = logging.getLogger(__name__)


class PeerState(StrEnum):
    """How a peer compares with this replica."""

    UNKNOWN = "unknown"
    """It was not asked yet."""
    SAME = "same"
    """It serves the same."""
    SETTLING = "settling"
    """Something differs, and not for long: changes reach one replica before the other."""
    DIFFERS = "differs"
    """Something differs for longer than `admin.peer_patience`."""
    WAITING = "waiting"
    """One of the two does not answer Envoys yet."""
    UNREACHABLE = "unreachable"
    """It could not be asked the last time."""
    ITSELF = "itself"
    """The URL leads to this very process: several replicas may have one configuration."""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """How a peer compares with this replica, now."""

    url: str
    state: PeerState
    since: float
    """Unix time since which the state is this one; a difference counts from the look that saw it first."""
    error: str = ""
    """Why it is unreachable."""
    difference: Difference | None = None
    """What differs; in the state `differs`, what does for long enough."""


@dataclass(slots=True)
class Peer:
    """One peer, told of every look at it.

    Args:
        url: of its admin server.
        patience: seconds that something may differ before that is a difference.
        clock: the times.
    """

    url: str
    patience: float
    clock: Clock
    status: PeerStatus = field(init=False)
    _drift: Drift | None = field(init=False, default=None)
    """None while nothing differs."""
    _diverged: bool = field(init=False, default=False)
    """Whether the log was told so. Not forgotten while it cannot be asked."""

    def __post_init__(self) -> None:
        """Know nothing."""
        self.status = PeerStatus(self.url, PeerState.UNKNOWN, self.clock.wall())

    def failed(self, error: str) -> None:
        """It could not be asked."""
        if self.status.state is not PeerState.UNREACHABLE:
            log.warning("peer.lost", extra={"peer": self.url, "error": error})
        self._become(PeerState.UNREACHABLE, error=error)

    def is_this_one(self) -> None:
        """It has answered, and is this very process."""
        self._become(PeerState.ITSELF)

    def waits(self) -> None:
        """It has answered, and one of the two does not answer Envoys yet."""
        self._drift = None
        self._become(PeerState.WAITING)

    def agrees(self) -> None:
        """It serves the same."""
        self._drift = None
        self._converge()
        self._become(PeerState.SAME)

    def differs(self, look: Look) -> None:
        """It serves something else."""
        self._drift = drift(self._drift, look)
        lasting, young = difference(self._drift, look.at - self.patience), difference(self._drift, look.at)
        since = self.clock.wall() - (look.at - beginning(self._drift)) if young else None
        if lasting:
            self._diverge(lasting)
            self._become(PeerState.DIFFERS, since=since, difference=lasting)
        else:
            self._converge()
            self._become(PeerState.SETTLING, since=since, difference=young)

    def _diverge(self, found: Difference) -> None:
        if self._diverged:
            return
        self._diverged = True
        fields = {"view": found.view, "services": found.services, "here": found.here, "there": found.there}
        log.warning("peer.diverged", extra={"peer": self.url, **fields})

    def _converge(self) -> None:
        if self._diverged:
            self._diverged = False
            log.info("peer.converged", extra={"peer": self.url})

    def _become(
        self, state: PeerState, *, since: float | None = None, error: str = "", difference: Difference | None = None
    ) -> None:
        before = self.status
        if before.state is PeerState.UNREACHABLE and state is not PeerState.UNREACHABLE:
            log.info("peer.returned", extra={"peer": self.url})
        if since is None:
            since = before.since if before.state is state else self.clock.wall()
        self.status = PeerStatus(self.url, state, since, error, difference)
