from support.stream_recorder import StreamRecorder
from xds import CLUSTER, Observers, StreamObserver


def test_several_observers_are_all_told() -> None:
    first, second = StreamRecorder(), StreamRecorder()

    Observers(first, second).fetched(CLUSTER.url, unchanged=True)

    assert first.events == second.events == [("fetched", CLUSTER.url, True)]


def test_no_event_is_kept_from_them() -> None:
    events = {name for name, value in vars(StreamObserver).items() if callable(value) and not name.startswith("_")}

    assert "closed" in events
    assert events <= vars(Observers).keys()
