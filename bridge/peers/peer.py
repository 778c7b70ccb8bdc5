"""What is known of one peer, and what is logged when that changes: state without I/O."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.clock import Clock
from bridge.peers.comparison import Difference, Drift, Finding

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
    _views: dict[str, Finding | None] = field(init=False, default_factory=dict)
    """Those that differ, that whose turn comes next first. None for one that was not looked at yet."""
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
        self._views = {}
        self._become(PeerState.WAITING)

    def agrees(self) -> None:
        """It serves the same."""
        self._views = {}
        self._converge()
        self._become(PeerState.SAME)

    def turn(self, views: Sequence[str]) -> tuple[str, Drift | None]:
        """Of the views that differ now, the one to look at, and what is known of it.

        They take turns, so that one that differs for a moment again and again hides no other, and a look costs the
        same however many there are. One that agrees in between begins anew.

        Args:
            views: all those that differ, at least one.
        """
        known = {view: finding for view, finding in self._views.items() if view in views}
        self._views = known | {view: None for view in views if view not in known}
        view, finding = next(iter(self._views.items()))
        return view, finding.drift if finding else None

    def differs(self, finding: Finding) -> None:
        """It serves something else, as a look at the view whose turn it was has shown."""
        self._views.pop(finding.drift.view, None)
        self._views[finding.drift.view] = finding
        differing = [each for each in self._views.values() if each and each.difference]
        # Of those that last, if any, the oldest: that one and no other is told for as long as it lasts.
        told = min(differing, key=lambda each: (not each.lasting, each.since, each.drift.view), default=None)
        since = self.clock.wall() - (self.clock.monotonic() - told.since) if told else None
        if told and told.difference and told.lasting:
            self._diverge(told.difference)
            self._become(PeerState.DIFFERS, since=since, difference=told.difference)
        else:
            self._converge()
            self._become(PeerState.SETTLING, since=since, difference=told.difference if told else None)

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
