"""The reads that the adapter makes, each as a function from what is wanted to a checked, typed reply."""

import asyncio
import posixpath
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from adapters.consul.agent import Agent
from adapters.consul.config import Config, Consistency
from adapters.consul.mapping import CANARY
from adapters.consul.payload import (
    CATALOG,
    CHECKS,
    HEALTH,
    LEADER,
    NODE_SERVICES,
    NODES,
    SELF,
    Catalog,
    Check,
    HealthEntry,
    Node,
)
from adapters.consul.transport import Answer, Api, ConsulError, Sender, Target, Transport, excerpt
from bridge.errors import Cause, SourceError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """An answer that can be waited upon: its content, and what Consul says of how far to trust it."""

    value: T
    index: int
    """Never below 1 (https://developer.hashicorp.com/consul/api-docs/features/blocking)."""
    known_leader: bool | None = None
    """False: the server that answered has lost its leader, and what it says may be old. None: it did not say."""
    filtered: bool = False
    """Whether the token's rights have left something out; older agents never say so."""
    early: bool = False
    """It was waited for, and came before the time was over."""


def readable(name: str) -> bool:
    """Whether an agent can be asked about a service of this name.

    Its HTTP server cleans `a/../b` and `a//b` in a path, quoted or not, and answers with a redirect to another service;
    a path that is not printable it refuses.
    """
    return (
        name.isprintable()
        and posixpath.normpath(f"/{name}").rstrip("/") == f"/{name}".rstrip("/")
        and not name.startswith("/")
    )


def next_index(reply: Reply[T], index: int | None) -> int | None:
    """The index to wait on after a reply to a wait on `index`.

    A query that is open while the servers restore a snapshot is woken with what it was asked with; what follows has a
    lower index and would not wake another wait, so the next read must not wait.
    """
    return None if reply.early and reply.index == index else reply.index


class Client:
    """Reads one datacenter through one agent.

    Every read takes an `index`: None returns at once, over one of the connections for short reads; a number waits
    until something changes or the configured time is over. Every read raises `SourceError` when it fails.
    """

    def __init__(self, config: Config, agent: Agent, target: Target) -> None:
        self._config = config
        self._agent = agent
        sender = Sender(target, agent, config.wait)
        self._default = _api(sender, config, config.consistency)
        self._consistent = _api(sender, config, Consistency.CONSISTENT)
        self._seconds = config.wait
        self._wait = f"{round(config.wait * 1000)}ms"

    async def services(self, index: int | None = None, *, consistent: bool = False) -> Reply[Catalog]:
        """The names in the catalog with their tags."""
        return await self._read(CATALOG, index, lambda: self._api(consistent).catalog.services(**self._block(index)))

    async def instances(
        self, name: str, index: int | None = None, *, consistent: bool = False
    ) -> Reply[tuple[HealthEntry, ...]]:
        """The instances of a service that `tags` and `filter` select, in any state of health."""
        return await self._read(
            HEALTH,
            index,
            lambda: self._api(consistent).health.service(
                quote(name, safe=""),
                tag=list(self._config.tags) or None,
                filter_expr=self._config.filter,
                **self._block(index),
            ),
        )

    async def everything(self, name: str, address: str = "") -> Reply[tuple[HealthEntry, ...]]:
        """All instances of a service, or those at an IP address, whatever `tags` and `filter` select."""
        at = f'Service.Address == "{address}" or Node.Address == "{address}"' if address else None
        return await self._read(HEALTH, None, lambda: self._api().health.service(quote(name, safe=""), filter_expr=at))

    async def on_node(self, node: str) -> frozenset[str]:
        """The names of the services on a node."""
        reply = await self._read(NODE_SERVICES, None, lambda: self._api().catalog.node(quote(node, safe="")))
        services = reply.value.services.values() if reply.value else ()
        return frozenset(service.service for service in services)

    async def checks(self, index: int | None = None) -> Reply[tuple[Check, ...]]:
        """Every check of the datacenter."""
        return await self._read(CHECKS, index, lambda: self._api().health.state("any", **self._block(index)))

    async def nodes(self, index: int | None = None, *, consistent: bool = False) -> Reply[tuple[Node, ...]]:
        """Every node of the datacenter."""
        return await self._read(NODES, index, lambda: self._api(consistent).catalog.nodes(**self._block(index)))

    async def canary(self) -> bool:
        """Whether the service that every datacenter has can be seen, with its node, and so the token has its rights."""
        reply = await self._read(HEALTH, None, lambda: self._api(consistent=True).health.service(CANARY))
        return bool(reply.value)

    async def has_leader(self) -> bool:
        """Whether the agent answers and knows a leader; raises nothing."""
        try:
            return bool(self._parsed(LEADER, await self._short(self._api().status.leader)))
        except SourceError:
            return False

    async def datacenter(self) -> str:
        """The agent's own datacenter.

        Raises:
            SourceError: also when the token may neither read the agent nor see a node, and so sees no service either.
        """
        try:
            return self._parsed(SELF, await self._short(self._api().agent.self)).config.datacenter
        except ConsulError as error:
            if error.status != 403:
                raise
        nodes = (await self.nodes()).value
        if not nodes:
            raise SourceError(
                f"Consul agent {self._config.address} shows no node, and every datacenter has some:"
                " the ACL token is missing, or lacks node:read",
                cause=Cause.DENIED,
            )
        return nodes[0].datacenter

    def _api(self, consistent: bool = False) -> Api:  # noqa: FBT001, FBT002 (passed on from the keyword above)
        return self._consistent if consistent else self._default

    def _block(self, index: int | None) -> dict[str, str]:
        return {} if index is None else {"index": str(index), "wait": self._wait}

    async def _read(self, parser: TypeAdapter[T], index: int | None, send: Callable[[], Awaitable[Answer]]) -> Reply[T]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        if index is None:
            answer = await self._short(send)
        else:
            with self._agent.blocking_query():
                answer = await send()
        return Reply(
            self._parsed(parser, answer),
            _index(answer),
            _flag(answer, "X-Consul-KnownLeader"),
            _flag(answer, "X-Consul-Results-Filtered-By-ACLs") is True,
            index is not None and loop.time() - began < self._seconds,
        )

    async def _short(self, send: Callable[[], Awaitable[Answer]]) -> Answer:
        async with self._agent.short_read():
            return await send()

    def _parsed(self, parser: TypeAdapter[T], answer: Answer) -> T:
        try:
            return parser.validate_json(answer.body)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, problem["loc"]))
            raise ConsulError(
                f"{answer.url} answered with something that is not Consul's ({where or 'body'}: {problem['msg']}):"
                f" {excerpt(answer.body)}",
                status=200,
            ) from error


def _api(sender: Sender, config: Config, consistency: Consistency) -> Api:
    # A flag without a value. py-consul would add it to reads of the catalog, but not to those of health.
    extra = () if consistency is Consistency.DEFAULT else ((consistency.value, ""),)
    return Api(Transport(sender.send, extra), config.datacenter)


def _index(answer: Answer) -> int:
    text = answer.headers.get("X-Consul-Index", "")
    if re.fullmatch(r"[0-9]{1,20}", text) and int(text) > 0:
        return int(text)
    raise ConsulError(f"{answer.url} answered without a usable X-Consul-Index ({text[:40]!r})", status=200)


def _flag(answer: Answer, header: str) -> bool | None:
    return {"true": True, "false": False}.get(answer.headers.get(header, ""))
