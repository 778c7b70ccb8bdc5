"""Whatever ECS says, in whatever order: an endpoint leaves by evidence alone."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters.ecs.address import Surroundings
from adapters.ecs.book import Book
from adapters.ecs.config import Config
from adapters.ecs.mapping import Mapper
from bridge.model import Endpoint, Health, InstanceId
from support.ecs import definition, task, task_arn

NAMES = ["t1", "t2", "t3", "t4"]
names = st.sampled_from(NAMES)
healths = st.sampled_from(["HEALTHY", "UNHEALTHY", "UNKNOWN"])
starting = st.sampled_from(["PROVISIONING", "PENDING", "ACTIVATING"])
stopping = st.sampled_from(["RUNNING", "DEACTIVATING", "STOPPING"])
ended = st.sampled_from(["DEPROVISIONING", "STOPPED"])
SURROUNDINGS = Surroundings(definition())


class EvidenceModel(RuleBasedStateMachine):
    """The model knows for each task whether it runs, drains or is gone; the book has to agree."""

    @initialize()
    def start(self) -> None:
        self.book = Book(Mapper(Config()))
        self.alive: dict[str, bool] = {}
        """Whether a published task drains."""
        self.over: set[str] = set()
        self.evidence: set[str] = set()
        self.addresses = {name: f"10.0.0.{number}" for number, name in enumerate(NAMES, start=1)}

    def read(self, name: str, last: str, desired: str, address: str | None = None) -> None:
        described = task(
            name, lastStatus=last, desiredStatus=desired, address=self.addresses[name] if address is None else address
        )
        self.book.take([described], [], 0.0)

    @rule(name=names, last=starting)
    def starts(self, name: str, last: str) -> None:
        """Says nothing new of a task that is published already."""
        self.read(name, last, "RUNNING")

    @rule(name=names)
    def runs(self, name: str) -> None:
        self.read(name, "RUNNING", "RUNNING")
        if name not in self.over:
            self.alive.setdefault(name, False)

    @rule(name=names)
    def forgets_its_address(self, name: str) -> None:
        """It is told without one, which takes away nothing."""
        if name in self.alive:
            self.read(name, "RUNNING", "RUNNING", address="")

    @rule(name=names, last=stopping)
    def stops(self, name: str, last: str) -> None:
        self.read(name, last, "STOPPED")
        if name not in self.over:
            self.alive[name] = True

    @rule(name=names, last=ended)
    def has_stopped(self, name: str, last: str) -> None:
        self.read(name, last, "STOPPED")
        self.gone(name)
        self.over.add(name)

    @rule(name=names)
    def is_missing(self, name: str) -> None:
        self.book.take([], [task_arn(name)], 0.0)
        self.gone(name)

    @rule()
    def nothing_is_described(self) -> None:
        """A list that lacks everything, or an answer that never came."""
        self.book.take([], [], 0.0)

    @rule()
    def surroundings_cannot_be_had(self) -> None:
        self.book.translate(self.book.tasks, lambda _: None, 0.0)

    def gone(self, name: str) -> None:
        if self.alive.pop(name, None) is not None:
            self.evidence.add(name)

    @invariant()
    def book_agrees(self) -> None:
        if not hasattr(self, "book"):
            return
        self.book.translate(self.book.tasks, lambda _: SURROUNDINGS, 0.0)
        report = self.book.report(anew=True)
        assert report is not None
        entries = [entry for found in report.services.values() for entry in found]
        served = {entry.instance: entry.health for entry in entries if isinstance(entry, Endpoint)}
        expected = {
            InstanceId(f"{name}/app"): Health.DRAINING if drains else Health.HEALTHY
            for name, drains in self.alive.items()
        }
        assert served == expected
        assert report.ended == {InstanceId(f"{name}/app") for name in self.evidence - self.alive.keys()}
        self.evidence.clear()


TestEvidence = EvidenceModel.TestCase
TestEvidence.settings = settings(max_examples=100, stateful_step_count=30)
