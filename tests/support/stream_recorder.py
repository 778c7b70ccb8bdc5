"""The in-memory `StreamObserver`: keeps what it is told, in order."""

from xds import ObservedStream, Refused, StreamObserver


class StreamRecorder(StreamObserver):
    """Remembers every event as a tuple that starts with its name; streams are left out."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []
        self.failures: list[BaseException] = []

    def of(self, event: str) -> list[tuple[object, ...]]:
        """The fields of all events of one name."""
        return [fields for name, *fields_ in self.events if name == event for fields in [tuple(fields_)]]

    def opened(self, stream: ObservedStream) -> None:
        self.events.append(("opened", stream.transport))

    def identified(self, stream: ObservedStream) -> None:
        self.events.append(("identified", stream.node))

    def closed(self, stream: ObservedStream) -> None:
        self.events.append(("closed", stream.transport))

    def sent(self, stream: ObservedStream, type_url: str, resources: int, size: int) -> None:
        assert stream.id
        assert size
        self.events.append(("sent", type_url, resources))

    def begun(self, waited: float) -> None:
        self.events.append(("begun", waited))

    def acked(self, stream: ObservedStream, type_url: str, version: str, latency: float) -> None:
        assert stream.id
        assert latency >= 0
        self.events.append(("acked", type_url, version))

    def nacked(self, stream: ObservedStream, type_url: str, version: str, message: str) -> None:
        assert stream.id
        self.events.append(("nacked", type_url, version, message))

    def settled(self, generation: int, latency: float) -> None:
        assert latency >= 0
        self.events.append(("settled", generation))

    def unanswered(self, stream: ObservedStream, type_url: str) -> None:
        assert stream.id
        self.events.append(("unanswered", type_url))

    def stalled(self, stream: ObservedStream) -> None:
        self.events.append(("stalled", stream.transport))

    def slowed(self, stream: ObservedStream) -> None:
        self.events.append(("slowed", stream.transport))

    def unsupported(self, stream: ObservedStream, type_url: str) -> None:
        assert stream.id
        self.events.append(("unsupported", type_url))

    def fetched(self, type_url: str, *, unchanged: bool) -> None:
        self.events.append(("fetched", type_url, unchanged))

    def refused(self, peer: str, refusal: Refused) -> None:
        assert peer
        self.events.append(("refused", refusal.reason, str(refusal)))

    def failed(self, stream: ObservedStream, error: BaseException) -> None:
        assert stream.id
        self.failures.append(error)
        self.events.append(("failed", type(error).__name__))
