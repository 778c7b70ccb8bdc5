"""Sees all that passes between a client and a stream, and what is published, and knows what the server may not do.

No response without a cause: something published since the last one that the client asked for, a request for it, or a
rejection of several resources, which are then tried apart. Nothing that was not asked for. Nothing that was rejected.
And, the other way round, no question without an answer.
"""

from collections import Counter, defaultdict

from xds import TYPES, SnapshotCache
from xds.message import DeltaRequest, Request, Response
from xds.snapshot import Snapshot, differences

MISSING = ""
"""The version of what does not exist."""

_LEGACY = {kind.url for kind in TYPES if kind.legacy_wildcard}


def content(response: Response) -> dict[str, str]:
    """Versions by name of what a response brings."""
    known = response.snapshot.resources(response.type.url)
    return {name: known[name].version if name in known else MISSING for name in response.names}


class Witness:
    """Follows one stream from its beginning."""

    def __init__(self, cache: SnapshotCache) -> None:
        self._seen = cache.snapshot or Snapshot()
        self._asked: dict[str, frozenset[str]] = {}
        """What the server knows that the client wants, by type; a star is everything."""
        self._legacy = set(_LEGACY)
        """Types of which no name was given yet: no names are everything."""
        self._questions: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        """What the client asked for since the last response of a type."""
        self._quiet: set[str] = set()
        """Types whose star may go unanswered: there may be nothing, or nothing that the client does not hold."""
        self._due: set[str] = set()
        """Types of which the next response has a cause."""
        self._tries: Counter[str] = Counter()
        """How many responses, by type, may serve to tell the good from the bad."""
        self.answered = ""
        """The nonce that was answered last."""
        self._nonces: set[str] = set()
        self._unanswered: dict[str, Response] = {}
        self._rejected: dict[str, Counter[frozenset[tuple[str, str]]]] = defaultdict(Counter)
        """How often the client rejected a content, by type."""

    def published(self, snapshot: Snapshot) -> None:
        """The cache has this now."""
        for url, asked in self._asked.items():
            changed = differences(self._seen.resources(url), snapshot.resources(url))
            if changed & asked or (changed and "*" in asked):
                self._due.add(url)
            self._forgive(url, changed)
        self._seen = snapshot

    def requested(self, request: Request | DeltaRequest) -> None:
        """The server gets this request."""
        url = request.type_url
        first, before = url not in self._asked, self._asked.get(url, frozenset())
        self._judge(request)
        self._asked[url], named = self._read(request, before, first=first)
        questions = (self._questions[url] | named) - {""}
        self._questions[url] = questions if "*" in self._asked[url] else questions & self._asked[url]
        if first and isinstance(request, Request) and (request.version or url not in _LEGACY):
            self._quiet.add(url)
        if first or named:
            self._due.add(url)
            self._forgive(url, named)

    def sent(self, response: Response) -> None:
        """The server sends this."""
        url, asked, brought = response.type.url, self._asked[response.type.url], content(response)
        assert url in self._due or self._tries[url] > 0, f"a response without a cause: {brought}"
        assert "*" in asked or response.names | response.removed <= asked, "something that nobody asked for"
        assert self._rejected[url][frozenset(brought.items())] <= _retries(response), f"again: {brought}"
        if url not in self._due:
            self._tries[url] -= 1
        self._due.discard(url)
        self._questions[url] = frozenset()
        if required := response.type.required_type:
            self._due.add(required)
        assert response.nonce not in self._nonces, "a nonce again"
        self._nonces.add(response.nonce)
        self._unanswered[response.nonce] = response

    def rest(self) -> None:
        """All there was to say has been said."""
        for url, questions in self._questions.items():
            assert not questions - ({"*"} if url in self._quiet else set()), "a question without an answer"
        self._due.clear()
        self._tries.clear()

    def _read(
        self, request: Request | DeltaRequest, before: frozenset[str], *, first: bool
    ) -> tuple[frozenset[str], frozenset[str]]:
        """What the client wants from this request on, and what it must be answered now."""
        url = request.type_url
        if isinstance(request, DeltaRequest):
            everything = {"*"} if first and url in self._legacy and not request.subscribe else set[str]()
            # Under a wildcard, giving up a name is a question too.
            questions = request.unsubscribe & before if "*" in before else frozenset[str]()
            return (before | request.subscribe | everything) - request.unsubscribe, request.subscribe | questions
        if request.names:
            self._legacy.discard(url)
        asked = frozenset({"*"}) if url in self._legacy else request.names
        return asked, asked - before

    def _judge(self, request: Request | DeltaRequest) -> None:
        response = self._unanswered.pop(request.nonce, None)
        self.answered = request.nonce if response else self.answered
        if response is None or request.error is None:
            return
        url, brought = response.type.url, content(response)
        if brought and not self._questions[url] & {
            "*",
            *brought,
        }:  # else the client asked for it again before it rejected it
            self._rejected[url][frozenset(brought.items())] += 1
        several = len(brought) > 1 or (response.type.full_state and not response.incremental)
        self._tries[url] += 2 * several + bool(brought and response.removed)

    def _forgive(self, url: str, names: frozenset[str]) -> None:
        """What has changed, or is asked for again, may be sent again."""
        for rejected in list(self._rejected[url]):
            if "*" in names or names & dict(rejected).keys():
                del self._rejected[url][rejected]


def _retries(response: Response) -> int:
    """How often a content may come again after its rejection.

    Parts of a complete response are tried together with what is good already: with the last of them it is whole again,
    once for each time that its names were halved.
    """
    complete = response.type.full_state and not response.incremental
    return (len(response.names) - 1).bit_length() if complete else 0
