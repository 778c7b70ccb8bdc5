"""A small model of an Envoy on the other end of a pure stream: what it wants, what it holds, what it waits for.

Messages travel through two queues, so that requests and responses cross each other as they do on a network.
"""

from collections import deque
from collections.abc import Iterable

from xds import CLUSTER, ENDPOINT, TYPES, ResourceType, SnapshotCache
from xds.message import DeltaRequest, Request, Response
from xds.stream import Acceptances, Incremental, StateOfTheWorld, Stream
from xds.subscription import NameSets

MISSING = ""
"""The version of what the server said does not exist."""


class ModelEnvoy:
    """Accepts what it is sent unless a resource in it has a version that starts with `bad`.

    Args:
        cache: what its stream serves.
        delta: which variant it talks.
        follows: whether it asks for the assignments of the clusters it holds, as an Envoy does.
    """

    def __init__(self, cache: SnapshotCache, *, delta: bool, follows: bool) -> None:
        self.cache = cache
        self.delta = delta
        self.follows = follows
        self.now = 0.0
        self.held: dict[str, dict[str, str]] = {kind.url: {} for kind in TYPES}
        self.names: dict[str, set[str]] = {kind.url: set() for kind in TYPES}
        self.wildcard: dict[str, bool] = {kind.url: False for kind in TYPES}
        self.version: dict[str, str] = {}
        self.started: set[str] = set()
        self.warming: set[str] = set()
        """Assignments that a new or changed cluster waits for."""
        self.acceptances = Acceptances()
        self.taken: set[str] = set()
        """Clusters that it held and lost to a response, though they existed when that was made."""
        self.connect()

    def connect(self) -> None:
        """Open a new stream; what was under way on the old one is lost."""
        self.sotw = Stream(StateOfTheWorld(self.acceptances), TYPES, aggregated=True)
        self.incremental = Stream(Incremental(NameSets()), TYPES, aggregated=True)
        self.requests: deque[Request | DeltaRequest] = deque()
        self.responses: deque[Response] = deque()
        self.started = set()
        self.rejections: dict[str, tuple[str, str, str]] = {}
        self.rejected: set[tuple[str, str, str]] = set()
        """Type, name and version of what the server knows was rejected alone, and must not send again."""
        self.told: dict[str, frozenset[str]] = {}
        self.existing: dict[str, frozenset[str]] = {}
        """Names of all clusters when a response was made, by its nonce."""

    def restart_subscriptions(self) -> None:
        """Ask on a new stream for all that was asked for on the old one, and tell what is held."""
        for kind in TYPES:
            if self.wildcard[kind.url] and not (kind.full_state or self.delta):
                # State of the World has no words for "what you hold is gone" here; such a client starts anew.
                self.held[kind.url] = {}
            if self.wildcard[kind.url] or self.names[kind.url]:
                self.ask(kind, self.names[kind.url], everything=self.wildcard[kind.url])

    def ask(self, kind: ResourceType, names: Iterable[str] = (), *, everything: bool = False) -> None:
        """Ask for names, or for everything by a star."""
        url, first = kind.url, kind.url not in self.started
        added = frozenset(names)
        self.names[url] |= added
        self.wildcard[url] |= everything
        self.started.add(url)
        if self.delta:
            held = {name: version for name, version in self.held[url].items() if version} if first else {}
            subscribe = added | {"*"} if everything else added
            self.requests.append(DeltaRequest(type_url=url, subscribe=subscribe, initial_versions=held))
        else:
            self._restate(kind, version=self.version.get(url, "") if first else "")

    def give_up(self, kind: ResourceType, names: Iterable[str], *, everything: bool = False) -> None:
        """Stop asking for names, or for everything."""
        url, dropped = kind.url, frozenset(names)
        if url not in self.started:
            return
        self.names[url] -= dropped
        self.wildcard[url] &= not everything
        if self.delta:
            unsubscribe = dropped | {"*"} if everything else dropped
            self.requests.append(DeltaRequest(type_url=url, unsubscribe=unsubscribe))
        else:
            self._restate(kind)
        if not self.wildcard[url]:
            self.held[url] = {name: held for name, held in self.held[url].items() if name in self.names[url]}

    def deliver_request(self) -> None:
        """Let the oldest request reach the server."""
        request = self.requests.popleft()
        if request.error is not None and request.nonce in self.rejections:
            self.rejected.add(self.rejections[request.nonce])
        if isinstance(request, DeltaRequest):
            self._forgive(request.type_url, request.subscribe | request.unsubscribe)
            self.incremental.receive(request, self.now)
        else:
            self._forgive(request.type_url, request.names - self.told.get(request.type_url, frozenset()))
            self.told[request.type_url] = request.names
            self.sotw.receive(request, self.now)

    def pull_response(self) -> None:
        """Let the server send what it has to send now, one response."""
        stream = self.incremental if self.delta else self.sotw
        response = stream.next(self.cache, self.now)
        if response is not None:
            assert self.cache.encode(response)
            if len(response.names) == 1:
                assert self._single(response) not in self.rejected, "came again after its rejection"
            self.existing[response.nonce] = _clusters(self.cache)
            self.responses.append(response)

    def process_response(self, *, answer: bool = True) -> None:
        """Apply or reject the oldest response that arrived, and say so if `answer`."""
        response = self.responses.popleft()
        known = response.snapshot.resources(response.type.url)
        content = {name: known[name].version if name in known else MISSING for name in response.names}
        bad = any(version.startswith("bad") for version in content.values())
        if bad:
            if len(content) == 1:
                self.rejections[response.nonce] = self._single(response)
        else:
            self._apply(response, content)
            self.version[response.type.url] = response.version
        if answer or bad:
            self._answer(response, "bad content" if bad else None)
        if self.follows and response.type is CLUSTER and not bad:
            self._follow(response)

    def pass_time(self, seconds: float) -> None:
        """Let the clock run on."""
        self.now += seconds
        (self.incremental if self.delta else self.sotw).expire(self.now)

    def settle(self) -> None:
        """Let everything under way arrive, and all that follows from it."""
        for _ in range(1000):
            if self.requests:
                self.deliver_request()
                continue
            self.pull_response()
            if self.responses:
                self.process_response()
            elif not (self.incremental if self.delta else self.sotw).unanswered and not self.requests:
                return
            elif not self.requests:
                self.pass_time(6)
                self.pull_response()
                if not self.responses:
                    return
        raise AssertionError("server and client never come to rest")

    def wanted(self, kind: ResourceType) -> dict[str, str]:
        """What it must hold in the end: the versions of what it asked for, `MISSING` for names that do not exist."""
        snapshot = self.cache.snapshot
        assert snapshot is not None
        everything = {name: resource.version for name, resource in snapshot.resources(kind.url).items()}
        wanted = {name: everything.get(name, MISSING) for name in self.names[kind.url]}
        return everything | wanted if self.wildcard[kind.url] else wanted

    def _restate(
        self, kind: ResourceType, *, version: str = "", nonce: str = "stale", error: str | None = None
    ) -> None:
        names = frozenset(self.names[kind.url] | ({"*"} if self.wildcard[kind.url] else set()))
        self.requests.append(Request(type_url=kind.url, names=names, version=version, nonce=nonce, error=error))

    def _answer(self, response: Response, error: str | None) -> None:
        kind = response.type
        if self.delta:
            self.requests.append(DeltaRequest(type_url=kind.url, nonce=response.nonce, error=error))
            return
        self._restate(kind, version=self.version.get(kind.url, ""), nonce=response.nonce, error=error)

    def _apply(self, response: Response, content: dict[str, str]) -> None:
        url = response.type.url
        if response.type is CLUSTER:
            self.warming |= self._required(response, content)
        elif response.type is ENDPOINT:
            self.warming -= content.keys() | response.removed
        before = self.held[url].copy()
        if response.type.full_state and not self.delta:
            self.held[url] = {}
        asked = content.keys() if self.wildcard[url] else content.keys() & self.names[url]
        self.held[url] |= {name: content[name] for name in asked}
        for name in response.removed:
            if name in self.names[url]:
                self.held[url][name] = MISSING
            else:
                self.held[url].pop(name, None)
        if response.type is CLUSTER:
            self.taken |= (before.keys() - self.held[url].keys()) & self.existing[response.nonce]

    def _required(self, response: Response, content: dict[str, str]) -> set[str]:
        known = response.snapshot.resources(CLUSTER.url)
        changed = [name for name, version in content.items() if self.held[CLUSTER.url].get(name) != version]
        return {need for name in changed for need in known[name].requires}

    def _follow(self, response: Response) -> None:
        known = response.snapshot.resources(CLUSTER.url)
        current = self.cache.snapshot
        assert current is not None
        needed = {
            need
            for name, version in self.held[CLUSTER.url].items()
            if version and (resource := known.get(name) or current.resources(CLUSTER.url).get(name))
            for need in resource.requires
        }
        asked = self.names[ENDPOINT.url]
        self.warming &= needed
        if gone := asked - needed:
            self.give_up(ENDPOINT, gone)
        if new := needed - asked:
            self.ask(ENDPOINT, new)

    @staticmethod
    def _single(response: Response) -> tuple[str, str, str]:
        (name,) = response.names
        resource = response.snapshot.resources(response.type.url).get(name)
        return response.type.url, name, resource.version if resource else MISSING

    def _forgive(self, url: str, names: frozenset[str]) -> None:
        """What is asked for again may be sent again."""
        self.rejected = {each for each in self.rejected if each[0] != url or not {each[1], "*"} & names}


def _clusters(cache: SnapshotCache) -> frozenset[str]:
    assert cache.snapshot is not None
    return cache.snapshot.names(CLUSTER.url)
