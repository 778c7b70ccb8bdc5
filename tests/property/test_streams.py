"""Whatever happens in whatever order, a client ends with exactly what it asked for, in both variants.

And it gets there without a response that nothing called for, and without getting again what it rejected: `Witness`.
"""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.model_envoy import ModelEnvoy
from xds import CLUSTER, ENDPOINT, TYPES, Resource, ResourceType, Snapshot, SnapshotCache

NAMES = ["a", "b", "c", "d"]
# All clusters but the first share the assignment of the last.
REQUIRES = {name: name if name == NAMES[0] else NAMES[-1] for name in NAMES}

names = st.sets(st.sampled_from(NAMES), max_size=3)
contents = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["v1", "v2", "v3"]))
contents_with_bad = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["v1", "v2", "bad1", "bad2"]))
types = st.sampled_from(TYPES)
which = st.integers(0, 1)


def published(kind: ResourceType, versions: dict[str, str], before: Snapshot) -> Snapshot:
    resources = [
        Resource(name, f"{name} {version}".encode(), version, (REQUIRES[name],) if kind is CLUSTER else ())
        for name, version in versions.items()
    ]
    return before.replace(kind.url, resources, before.names(kind.url) - versions.keys())


class Conversation(RuleBasedStateMachine):
    """Two clients, one of each variant, want the same of one cache; their messages are delivered in any order."""

    follows = False

    def __init__(self) -> None:
        super().__init__()
        self.cache = SnapshotCache()
        self.snapshot = Snapshot()
        self.clients = [
            ModelEnvoy(self.cache, delta=delta, requires=REQUIRES, follows=self.follows) for delta in (False, True)
        ]

    def publish(self, kind: ResourceType, versions: dict[str, str]) -> None:
        self.snapshot = published(kind, versions, self.snapshot)
        self.cache.set(self.snapshot)
        for client in self.clients:
            client.witness.published(self.snapshot)

    def want(self, kind: ResourceType, wanted: set[str], *, everything: bool) -> None:
        for client in self.clients:
            client.want(kind, wanted, everything=everything)

    @rule(client=which)
    def request_arrives(self, client: int) -> None:
        if self.clients[client].requests:
            self.clients[client].deliver_request()

    @rule(client=which)
    def server_sends(self, client: int) -> None:
        self.clients[client].pull_response()

    @rule(client=which, answer=st.booleans())
    def response_arrives(self, client: int, answer: bool) -> None:
        if self.clients[client].responses:
            self.clients[client].process_response(answer=answer)

    @rule()
    def everything_arrives(self) -> None:
        if self.cache.snapshot is not None:
            for client in self.clients:
                client.settle()
            for kind in TYPES:
                self.check(kind)

    @rule(kind=types)
    def clients_ask_again(self, kind: ResourceType) -> None:
        for client in self.clients:
            client.ask_again(kind)

    @rule(client=which, kind=types, used=st.booleans(), rejects=st.booleans())
    def client_answers_what_needs_no_answer(self, client: int, kind: ResourceType, used: bool, rejects: bool) -> None:
        nonce = self.clients[client].witness.answered if used else "of another stream"
        self.clients[client].repeat(kind, nonce, "nonsense" if rejects else None)

    @rule(client=which, seconds=st.sampled_from([1.0, 6.0]))
    def time_passes(self, client: int, seconds: float) -> None:
        self.clients[client].pass_time(seconds)

    @invariant()
    def nothing_is_sent_before_there_is_something(self) -> None:
        if self.cache.snapshot is None:
            assert not any(client.responses for client in self.clients)

    def teardown(self) -> None:
        self.everything_arrives()

    def check(self, kind: ResourceType) -> None:
        sotw, delta = self.clients
        wanted = sotw.wanted(kind)
        bad = {name for name, version in wanted.items() if version.startswith("bad")}
        for client in self.clients:
            held = client.held[kind.url]
            assert client.wanted(kind) == wanted
            assert client.lacks_what_it_rejected(kind) == bool(bad)
            assert existing(held, without=bad) == existing(wanted, without=bad)
            if client.delta or not kind.full_state:
                assert {name for name in client.wishes[kind.url].names if not wanted[name]} <= held.keys()
            assert not (kind is ENDPOINT and client.warming & wanted.keys() - bad)
        assert existing(sotw.held[kind.url], without=bad) == existing(delta.held[kind.url], without=bad)


def existing(versions: dict[str, str], *, without: set[str]) -> dict[str, str]:
    return {name: version for name, version in versions.items() if version and name not in without}


class Reconnecting(Conversation):
    """The clients come back on new streams, where the server does not know what they hold."""

    @rule(client=which)
    def client_reconnects(self, client: int) -> None:
        self.clients[client].connect()


class Rejections(Conversation):
    """Clients that ask for any clusters at any time, of which some are bad; all good ones get through."""

    @rule(versions=contents_with_bad)
    def publish_clusters(self, versions: dict[str, str]) -> None:
        self.publish(CLUSTER, versions)

    @rule(wanted=names, everything=st.booleans())
    def clients_want(self, wanted: set[str], everything: bool) -> None:
        self.want(CLUSTER, wanted, everything=everything)


class ComingBack(Reconnecting):
    """Clients that ask for all clusters, of which some are bad: no cluster that works is ever taken from them."""

    @initialize()
    def clients_ask_for_all_clusters(self) -> None:
        self.want(CLUSTER, set(), everything=True)

    @rule(versions=contents_with_bad)
    def publish_clusters(self, versions: dict[str, str]) -> None:
        self.publish(CLUSTER, versions)

    @rule(client=which, before=contents, versions=contents_with_bad)
    def clusters_change_while_a_client_is_away(
        self, client: int, before: dict[str, str], versions: dict[str, str]
    ) -> None:
        self.publish(CLUSTER, before)
        self.clients[client].settle()
        self.publish(CLUSTER, versions)
        self.client_reconnects(client)
        self.clients[client].settle()

    @invariant()
    def nothing_that_works_is_taken(self) -> None:
        assert [client.taken for client in self.clients] == [set(), set()]

    def teardown(self) -> None:
        if self.cache.snapshot is not None:
            for client in self.clients:
                client.settle()
            self.nothing_that_works_is_taken()
            self.publish(CLUSTER, dict.fromkeys(self.snapshot.names(CLUSTER.url), "v1"))
        super().teardown()


class Subscriptions(Reconnecting):
    """Clients that ask for anything at any time; assignments may be bad."""

    @rule(versions=contents)
    def publish_clusters(self, versions: dict[str, str]) -> None:
        self.publish(CLUSTER, versions)

    @rule(versions=contents_with_bad)
    def publish_assignments(self, versions: dict[str, str]) -> None:
        self.publish(ENDPOINT, versions)

    @rule(kind=types, wanted=names, everything=st.booleans())
    def clients_want(self, kind: ResourceType, wanted: set[str], everything: bool) -> None:
        self.want(kind, wanted, everything=everything)


class Envoys(Reconnecting):
    """Clients that ask for all clusters and for the assignments of those they hold, and warm the changed ones."""

    follows = True

    @initialize()
    def clients_ask_for_all_clusters(self) -> None:
        self.want(CLUSTER, set(), everything=True)

    @rule(clusters=contents, assignments=contents_with_bad)
    def publish_both(self, clusters: dict[str, str], assignments: dict[str, str]) -> None:
        self.snapshot = published(CLUSTER, clusters, self.snapshot)
        self.publish(ENDPOINT, assignments)

    @rule(clusters=contents)
    def publish_clusters(self, clusters: dict[str, str]) -> None:
        self.publish(CLUSTER, clusters)


TestRejections = Rejections.TestCase
TestRejections.settings = settings(max_examples=100, stateful_step_count=30)
TestComingBack = ComingBack.TestCase
TestComingBack.settings = settings(max_examples=100, stateful_step_count=30)
TestSubscriptions = Subscriptions.TestCase
TestSubscriptions.settings = settings(max_examples=100, stateful_step_count=30)
TestEnvoys = Envoys.TestCase
TestEnvoys.settings = settings(max_examples=100, stateful_step_count=30)
