import logging

import pytest

from bridge.peers.comparison import Difference, Look
from bridge.peers.peer import Peer, PeerState
from bridge.restoration import Clock

URL = "http://10.0.0.6:19000"
PATIENCE = 60.0
LOGGER = "bridge.peers.peer"


class Story:
    """A peer, and a clock that the test moves: the wall clock is an hour late."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, LOGGER)
        self._log = caplog
        self.now = 1000.0
        self.peer = Peer(URL, PATIENCE, Clock(lambda: self.now + 3600, lambda: self.now))

    def differs(self, after: float, here: str = "w1", there: str = "w2") -> None:
        self.now += after
        self.peer.differs(Look("default", self.now, {"web": here}, frozenset({there})))

    @property
    def state(self) -> tuple[PeerState, float]:
        """With the seconds since it began."""
        return self.peer.status.state, self.now + 3600 - self.peer.status.since

    @property
    def logged(self) -> list[str]:
        return [record.message for record in self._log.records]


@pytest.fixture
def story(caplog: pytest.LogCaptureFixture) -> Story:
    return Story(caplog)


def test_nothing_is_known_before_it_was_asked(story: Story) -> None:
    assert story.state == (PeerState.UNKNOWN, 0)


def test_a_difference_is_told_once_it_has_lasted_and_until_it_ends(story: Story) -> None:
    story.peer.agrees()
    story.differs(after=2)
    assert story.state == (PeerState.SETTLING, 0)
    story.differs(after=59)
    assert story.state == (PeerState.SETTLING, 59)
    assert story.logged == []

    story.differs(after=2)
    story.differs(after=2)
    assert story.state == (PeerState.DIFFERS, 63)
    assert story.peer.status.difference == Difference("default", ("web",), 1, 1)
    assert story.logged == ["peer.diverged"]

    story.peer.agrees()
    assert story.state == (PeerState.SAME, 0)
    assert story.peer.status.difference is None
    assert story.logged == ["peer.diverged", "peer.converged"]


def test_what_changes_all_the_time_on_both_sides_is_never_told(story: Story) -> None:
    for step in range(100):
        story.differs(after=2, here=f"w{step + 1}", there=f"w{step}")

    assert story.state == (PeerState.SETTLING, 0)
    assert story.logged == []


def test_the_log_says_what_differs(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    story.differs(after=0)
    story.differs(after=60)

    (record,) = caplog.records
    fields = {key: getattr(record, key) for key in ("peer", "view", "services", "here", "there")}
    assert fields == {"peer": URL, "view": "default", "services": ("web",), "here": 1, "there": 1}
    assert record.levelno == logging.WARNING


def test_a_peer_that_cannot_be_asked_is_told_once_and_what_differed_is_remembered(story: Story) -> None:
    story.differs(after=0)
    story.differs(after=60)
    story.peer.failed("refused")
    story.now += 10
    story.peer.failed("no answer")

    assert story.state == (PeerState.UNREACHABLE, 10)
    assert story.peer.status.error == "no answer"
    story.differs(after=2)
    assert story.state == (PeerState.DIFFERS, 72)
    assert story.logged == ["peer.diverged", "peer.lost", "peer.returned"]


def test_one_that_answers_no_envoy_yet_is_compared_anew_afterwards(story: Story) -> None:
    story.differs(after=0)
    story.peer.waits()
    assert story.state == (PeerState.WAITING, 0)

    story.differs(after=60)

    assert story.state == (PeerState.SETTLING, 0)


def test_one_that_is_this_process_is_said_to_be_that(story: Story) -> None:
    story.peer.is_this_one()

    assert story.state == (PeerState.ITSELF, 0)
    assert story.logged == []
