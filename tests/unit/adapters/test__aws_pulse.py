import pytest

from adapters._aws.config import EventsConfig
from adapters._aws.pulse import Pulse
from support.recording import RecordingContext

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/xds-bridge"
CONFIG = EventsConfig.model_validate({"queue": URL, "heartbeat": "3m", "reconcile": "5m"})


class Now:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def context() -> RecordingContext:
    return RecordingContext()


@pytest.fixture
def pulse(context: RecordingContext, now: Now) -> Pulse:
    return Pulse(context, CONFIG, CONFIG.queues[0], 15, now)


def test_nothing_is_relieved_before_the_first_heartbeat(pulse: Pulse, now: Now, context: RecordingContext) -> None:
    now.now += 179

    assert pulse.relief() == 0
    assert context.notices == []


def test_a_heartbeat_relieves_until_it_is_missed_and_again_when_it_is_back(
    pulse: Pulse, now: Now, context: RecordingContext
) -> None:
    reliefs = []
    for step in (0, 179, 1, 3600):
        if not step:
            pulse.beat(0)
        now.now += step
        reliefs.append(pulse.relief())
    pulse.beat(0)
    reliefs.append(pulse.relief())

    assert reliefs == [300, 300, 0, 0, 300]
    fields = {"queue": URL, "heartbeat": 180}
    assert context.notices == [
        ("aws.heartbeat_missed", {**fields, "interval": 15}),
        ("aws.heartbeat_returned", {**fields, "interval": 300}),
    ]


def test_a_heartbeat_that_never_comes_is_missed_too(pulse: Pulse, now: Now, context: RecordingContext) -> None:
    now.now += 180

    assert [pulse.relief(), pulse.relief()] == [0, 0]
    assert [event for event, _ in context.notices] == ["aws.heartbeat_missed"]


def test_a_heartbeat_is_as_old_as_its_message(pulse: Pulse, now: Now) -> None:
    pulse.beat(3600)
    late = pulse.relief()
    pulse.beat(100)
    pulse.beat(170)
    now.now += 79
    reliefs = [late, pulse.relief()]
    now.now += 1

    assert [*reliefs, pulse.relief()] == [0, 300, 0]


def test_passes_are_never_more_frequent_than_without_events(context: RecordingContext, now: Now) -> None:
    pulse = Pulse(context, CONFIG, CONFIG.queues[0], 3600, now)
    pulse.beat(0)

    assert pulse.relief() == 3600
