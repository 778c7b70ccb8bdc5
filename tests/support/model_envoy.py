"""A small model of an Envoy on the other end of a pure stream: what it wants, what it holds, what it waits for.

Messages travel through two queues, so that requests and responses cross each other as they do on a network.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from support.witness import MISSING, Witness, content
from xds import CLUSTER, ENDPOINT, TYPES, ResourceType, SnapshotCache
from xds.message import DeltaRequest, Request, Response
from xds.standing import Progress
from xds.stream import Acceptances, Incremental, StateOfTheWorld, Stream
from xds.subscription import NameSets


@dataclass(frozen=True)
class Wish:
    """What it wants of one type."""

    names: frozenset[str] = frozenset()
    everything: bool = False

    @property
    def terms(self) -> frozenset[str]:
        """As a request says it."""
        return self.names | {"*"} if self.everything else self.names

    def keep(self, held: Mapping[str, str]) -> dict[str, str]:
        """Of what is held, that which is wanted."""
        return {name: version for name, version in held.items() if self.everything or name in self.names}


class ModelEnvoy:
    """Accepts what it is sent unless a resource in it has a version that starts with `bad`.

    Args:
        cache: what its stream serves.
        delta: which variant it talks.
        requires: the assignment that each cluster waits for.
        follows: whether it asks for the assignments of the clusters it holds, as an Envoy does.
    """

    def __init__(self, cache: SnapshotCache, *, delta: bool, requires: Mapping[str, str], follows: bool) -> None:
        self.cache, self.delta, self.requires, self.follows = cache, delta, requires, follows
        self.now = 0.0
        self.wishes: dict[str, Wish] = {kind.url: Wish() for kind in TYPES}
        self.held: dict[str, dict[str, str]] = {kind.url: {} for kind in TYPES}
        """Versions by name; `MISSING` for what it was told does not exist."""
        self.version: dict[str, str] = {}
        self.warming: set[str] = set()
        """Assignments that a new or changed cluster waits for."""
        self.acceptances = Acceptances()
        self.taken: set[str] = set()
        """Clusters that it held and lost to a response, though they existed when that was made."""
        self.connect()

    def connect(self) -> None:
        """Open a new stream, ask for the same and tell what is held; what was under way on the old one is lost."""
        self.sotw = Stream(StateOfTheWorld(self.acceptances), TYPES, aggregated=True)
        self.incremental = Stream(Incremental(NameSets()), TYPES, aggregated=True)
        self.requests: deque[Request | DeltaRequest] = deque()
        self.responses: deque[Response] = deque()
        self.witness = Witness(self.cache)
        self.said: dict[str, frozenset[str]] = {}
        self.existing: dict[str, frozenset[str]] = {}
        """Names of all clusters when a response was made, by its nonce."""
        for kind in TYPES:
            wish = self.wishes[kind.url]
            if wish.everything and not (kind.full_state or self.delta):
                # State of the World has no words for "what you hold is gone" here; such a client starts anew.
                self.held[kind.url] = {}
            self.want(kind, wish.names, everything=wish.everything)

    def want(self, kind: ResourceType, names: Iterable[str], *, everything: bool) -> None:
        """Ask for these names from now on, with or without everything."""
        url, before, wish = kind.url, self.wishes[kind.url], Wish(frozenset(names), everything)
        self.wishes[url], self.held[url] = wish, wish.keep(self.held[url])
        if not before.terms >= wish.terms:
            self.version.pop(url, None)  # what it accepted was an answer to less
        if url not in self.said and not wish.terms:
            return
        legacy = kind.legacy_wildcard and url not in self.said and wish.terms == {"*"}
        terms = frozenset[str]() if legacy else wish.terms
        if self.delta:
            self._amend(url, terms, before.terms)
        else:
            self._restate(url, terms)
        self.said[url] = terms

    def ask_again(self, kind: ResourceType) -> None:
        """Ask for all of it to come again, for which State of the World has no words."""
        if self.delta and kind.url in self.said:
            self.requests.append(DeltaRequest(type_url=kind.url, subscribe=self.wishes[kind.url].terms))

    def repeat(self, kind: ResourceType, nonce: str, error: str | None) -> None:
        """Say once more what was said, as the answer to a response that was never sent or was answered before."""
        if kind.url in self.said:
            self._answer(kind.url, nonce, error)

    def deliver_request(self) -> None:
        """Let the oldest request reach the server."""
        request = self.requests.popleft()
        self.witness.requested(request)
        if isinstance(request, DeltaRequest):
            self.incremental.receive(request, self.now)
        else:
            self.sotw.receive(request, self.now)

    def pull_response(self) -> None:
        """Let the server send what it has to send now, one response."""
        response = self._stream.next(self.cache, self.now)
        if response is not None:
            assert self.cache.encode(response)
            self.witness.sent(response)
            self.existing[response.nonce] = _clusters(self.cache)
            self.responses.append(response)

    def process_response(self, *, answer: bool = True) -> None:
        """Apply or reject the oldest response that arrived, and say so if `answer`."""
        response = self.responses.popleft()
        bad = any(version.startswith("bad") for version in content(response).values())
        if not bad:
            self._apply(response)
            self.version[response.type.url] = response.version
        if answer or bad:
            self._answer(response.type.url, response.nonce, "bad content" if bad else None)
        if self.follows and response.type is CLUSTER and not bad:
            self._follow()

    def pass_time(self, seconds: float) -> None:
        """Let the clock run on."""
        self.now += seconds
        self._stream.expire(self.now)

    def settle(self) -> None:
        """Let everything under way arrive, and all that follows from it."""
        for _ in range(1000):
            if self.requests:
                self.deliver_request()
            elif self.responses:
                self.process_response()
            else:
                if self._stream.unanswered:
                    self.pass_time(6)
                self.pull_response()
                if not self.responses:
                    self.witness.rest()
                    return
        raise AssertionError("server and client never come to rest")

    def wanted(self, kind: ResourceType) -> dict[str, str]:
        """What it must hold in the end: the versions of what it asked for, `MISSING` for names that do not exist."""
        snapshot, wish = self.cache.snapshot, self.wishes[kind.url]
        assert snapshot is not None
        existing = {name: resource.version for name, resource in snapshot.resources(kind.url).items()}
        return dict.fromkeys(wish.names, MISSING) | wish.keep(existing)

    def lacks_what_it_rejected(self, kind: ResourceType) -> bool:
        """Whether the server says so, in each of the two places in which it does."""
        standings = {each.type_url: each for each in self._stream.standings(self.cache, self.now)}
        statuses = {each.type_url: each for each in self._stream.status(self.cache, self.now)}
        if kind.url not in standings:
            return False
        standing, status = standings[kind.url], statuses[kind.url]
        rejects = standing.progress is Progress.REJECTED
        assert (standing.rejection, bool(standing.version_rejected)) == ("bad content" if rejects else "", rejects)
        assert status.rejection == (standing.rejection if rejects else None)
        return rejects

    @property
    def _stream(self) -> Stream[Request] | Stream[DeltaRequest]:
        return self.incremental if self.delta else self.sotw

    def _amend(self, url: str, terms: frozenset[str], before: frozenset[str]) -> None:
        if url in self.said:
            self.requests.append(DeltaRequest(type_url=url, subscribe=terms - before, unsubscribe=before - terms))
            return
        held = {name: version for name, version in self.held[url].items() if version}
        self.requests.append(DeltaRequest(type_url=url, subscribe=terms, initial_versions=held))

    def _restate(self, url: str, terms: frozenset[str]) -> None:
        if url in self.said and not terms and not self.said[url]:
            terms = frozenset({""})  # no names at all would mean everything still
        version = "" if url in self.said else self.version.get(url, "")
        self.requests.append(Request(type_url=url, names=terms, version=version, nonce="stale"))

    def _answer(self, url: str, nonce: str, error: str | None) -> None:
        if self.delta:
            self.requests.append(DeltaRequest(type_url=url, nonce=nonce, error=error))
            return
        version = self.version.get(url, "")
        self.requests.append(Request(type_url=url, names=self.said[url], version=version, nonce=nonce, error=error))

    def _apply(self, response: Response) -> None:
        url, sent, wish = response.type.url, content(response), self.wishes[response.type.url]
        before = self.held[url]
        if response.type is CLUSTER:
            self.warming |= {self.requires[name] for name in sent if before.get(name) != sent[name]}
        elif response.type is ENDPOINT:
            self.warming -= sent.keys() | response.removed
        kept = {} if response.type.full_state and not self.delta else before
        gone = dict.fromkeys(response.removed, MISSING)
        self.held[url] = wish.keep(kept | sent | gone)
        if response.type is CLUSTER:
            lost = existing(before).keys() - existing(self.held[url]).keys()
            self.taken |= lost & self.existing[response.nonce]

    def _follow(self) -> None:
        needed = {self.requires[name] for name, version in self.held[CLUSTER.url].items() if version}
        self.warming &= needed
        if needed != self.wishes[ENDPOINT.url].names:
            self.want(ENDPOINT, needed, everything=False)


def existing(versions: Mapping[str, str]) -> dict[str, str]:
    """Without what does not exist."""
    return {name: version for name, version in versions.items() if version}


def _clusters(cache: SnapshotCache) -> frozenset[str]:
    assert cache.snapshot is not None
    return cache.snapshot.names(CLUSTER.url)
