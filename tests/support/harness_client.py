"""A client as the public xds-test-harness has it: answers every response at once, and counts both directions."""

from collections.abc import Iterable

from support.waiting import eventually
from support.xds_client import Update, XdsClient
from xds import ResourceType, XdsServer


class HarnessClient:
    """Speaks for one test with one server.

    Its quirks are the harness's: it restates its node, acknowledges without a look at the content, and on an aggregated
    stream does that under the type of its first request, whatever the type of the response.
    """

    def __init__(self, client: XdsClient, server: XdsServer) -> None:
        self._client = client
        self._server = server
        self._first: ResourceType | None = None
        self._asked: dict[str, set[str]] = {}
        self._requests = 0
        self._responses = 0

    async def ask(self, kind: ResourceType, *names: str) -> None:
        """Ask for names besides those asked for before; none at all ask for everything."""
        known = self._asked.setdefault(kind.url, set())
        known.update(names)
        if self._client.transport.delta:
            await self._request(kind, subscribe=names)
        else:
            await self._request(kind, known)

    async def give_up(self, kind: ResourceType, *names: str) -> None:
        """Stop asking for names, and wait until the server knows; the last ones go by naming the empty string."""
        known = self._asked[kind.url]
        known.difference_update(names)
        if self._client.transport.delta:
            await self._request(kind, unsubscribe=names)
        else:
            await self._request(kind, known or [""])
        await eventually(lambda: self._asked_of_the_server(kind) == len(known))

    async def expect(self, kind: ResourceType, version: str, *names: str, removed: Iterable[str] = ()) -> None:
        """The very next response on the stream is this one, all of it."""
        update = await self.receive(kind, version)
        assert update.names == set(names)
        assert update.removed == set(removed)

    async def receive(self, kind: ResourceType, version: str) -> Update:
        """The very next response on the stream, which must be of this type and version; it is acknowledged."""
        update = await self._client.receive_any(self._client.stream(kind))
        self._responses += 1
        assert (update.type_url, update.version) == (kind.url, version)
        answered = self._first if self._client.transport.aggregated and self._first else kind
        names = () if self._client.transport.delta else self._asked[answered.url]
        await self._request(answered, names, nonce=update.nonce, version=version)
        return update

    async def expect_nothing_but(self, kind: ResourceType, version: str, fence: str) -> None:
        """The service never responds more than necessary.

        The next response is about something published since: what else had been under way would have come before it.
        """
        if self._asked[kind.url] or self._asked_of_the_server(kind) == 0:
            await self.ask(kind, fence)
        update = await self.receive(kind, version)
        assert fence in update.names
        assert self._responses < self._requests

    async def _request(
        self,
        kind: ResourceType,
        names: Iterable[str] = (),
        *,
        subscribe: Iterable[str] = (),
        unsubscribe: Iterable[str] = (),
        nonce: str = "",
        version: str = "",
    ) -> None:
        self._first = self._first or kind
        self._requests += 1
        if self._client.transport.delta:
            await self._client.request_delta(kind, subscribe=subscribe, unsubscribe=unsubscribe, nonce=nonce)
        else:
            await self._client.request(kind, names, nonce=nonce, version=version)

    def _asked_of_the_server(self, kind: ResourceType) -> int | None:
        """How many names the server knows that this client asks for; None for everything."""
        (stream,) = self._server.streams()
        return next(each.names for each in stream.types if each.type_url == kind.url)
