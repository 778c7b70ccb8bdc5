"""What Consul has of a service or an address, asked when a person wants to know, and which rule made what of it.

Asked without `tags` and `filter`, so that what these leave out is seen too.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from adapters.consul.book import Memory
from adapters.consul.client import Reply, readable
from adapters.consul.mapping import CANARY, Mapper
from adapters.consul.payload import Catalog, HealthEntry, Node
from bridge.model import EndpointKey, Entry, Scope, SetAside
from bridge.provenance import Question, Search, Sighting, Statement, Verdict, bounded, seen

ASKED = 10
"""The most services of Consul that are asked for all their instances for one question."""

SWEEPING = 2.0
"""Seconds for which the others are asked whether they have an address."""

Instances = tuple[HealthEntry, ...]


class Reads(Protocol):
    """What is asked for; see `Client`."""

    async def services(self) -> Reply[Catalog]:
        """The names in the catalog with their tags."""

    async def instances(self, name: str) -> Reply[Instances]:
        """The instances of a service that `tags` and `filter` select."""

    async def everything(self, name: str, address: str = "") -> Reply[Instances]:
        """All instances of a service, or those at an address."""

    async def nodes(self) -> Reply[tuple[Node, ...]]:
        """Every node."""

    async def on_node(self, node: str) -> frozenset[str]:
        """The names of the services on a node."""


@dataclass(frozen=True, slots=True)
class Explainer:
    """Answers questions about one datacenter."""

    mapper: Mapper
    client: Reads
    memory: Memory

    async def explain(self, question: Question) -> Statement:
        """What there is; raises `SourceError` when Consul cannot be asked."""
        search, catalog = Search(question), (await self.client.services()).value
        for name in catalog:
            search.wants((name, self.mapper.service_name(name)), ())  # as names that may have been meant
        known = await self._candidates(question, catalog)
        for name in known[:ASKED]:
            await self._tell(name, catalog, search, (await self.client.everything(name)).value)
        where = f"services of datacenter {self.mapper.datacenter}"
        if question.key is None:
            return search.statement(f"{len(catalog)} {where}")
        swept = await self._sweep(question.key, [name for name in catalog if name not in known], catalog, search)
        return search.statement(f"{min(len(known), ASKED) + swept} of {len(catalog)} {where}")

    async def _candidates(self, question: Question, catalog: Catalog) -> Sequence[str]:
        """The services of Consul that most likely have something of what is asked about."""
        known = set(_reporting(self.memory, question))
        if question.key is None:
            known |= {name for name in catalog if question.service in (name, self.mapper.service_name(name))}
        else:
            for node in (await self.client.nodes()).value:
                if question.key.address in (node.address, *node.tagged_addresses.values()):
                    known |= await self.client.on_node(node.node)
        return sorted(filter(_askable, known))

    async def _sweep(self, key: EndpointKey, names: Sequence[str], catalog: Catalog, search: Search) -> int:
        """Ask the other services for the address, as many as there is time for: Consul finds none by its address."""
        loop, count = asyncio.get_running_loop(), 0
        until = loop.time() + SWEEPING
        for name in sorted(filter(_askable, names)):
            if loop.time() > until:
                break
            entries = (await self.client.everything(name, key.address)).value
            await self._tell(name, catalog, search, entries)
            count += 1
        return count

    async def _tell(self, name: str, catalog: Catalog, search: Search, entries: Instances) -> None:
        if not entries:
            return
        excluded, chosen = self._excluded(name, catalog.get(name, ())), None
        if self.mapper.config.filter and not excluded:
            chosen = {_identity(entry) for entry in (await self.client.instances(name)).value}
        served = self.mapper.matching(name, entries)
        counted = [entry for entry in served if chosen is None or _identity(entry) in chosen]
        for entry in entries:
            reason = excluded or self._obstacle(name, entry, chosen)
            for sighting in self._seen(name, entry, reason, counted, search):
                search.add(sighting)

    def _seen(
        self, name: str, entry: HealthEntry, reason: str, counted: Sequence[HealthEntry], search: Search
    ) -> Iterator[Sighting]:
        mapper, scope, raw = self.mapper, Scope(f"{self.mapper.datacenter}/{name}"), _raw(entry)
        for target, mapped in mapper.entries(name, entry, counted or [entry]):
            sighting = seen(mapped, scope, target, raw)
            address, _, port = sighting.reported.rpartition(":")
            number = int(port) if port.isascii() and port.isdecimal() else None
            if not search.wants((target, name), (address.strip("[]"),), number):
                continue
            if reason:
                sighting = Sighting(
                    scope, sighting.instance, (target,), sighting.reported, Verdict.LEFT_OUT, reason, raw
                )
            yield sighting

    def _excluded(self, name: str, tags: Sequence[str]) -> str:
        """Why a service is not followed; empty when it is."""
        services = self.mapper.config.services
        if glob := next((glob for glob in services.exclude if fnmatchcase(name, glob)), None):
            return f"the glob {glob!r} in `services.exclude` of the source leaves the service {name!r} out"
        if not any(fnmatchcase(name, glob) for glob in services.include):
            return f"no glob in `services.include` of the source ({', '.join(services.include)}) matches {name!r}"
        missing = [tag for tag in self.mapper.config.tags if tag not in tags]
        return f"no instance of it has the tag {missing[0]!r}, which `tags` of the source asks for" if missing else ""

    def _obstacle(self, name: str, entry: HealthEntry, chosen: set[tuple[str, str]] | None) -> str:
        """Why an instance of a service that is followed is left out; empty when it is not."""
        config, service = self.mapper.config, entry.service
        if service.service != name:
            return f"it is registered as {service.service!r}, which is another service than {name!r}"
        missing = [tag for tag in config.tags if tag not in service.tags]
        if missing:
            return f"it lacks the tag {missing[0]!r}, which `tags` of the source asks for"
        if self.mapper.meshed(entry):
            return f"it is a {service.kind}: the mesh's own, which is not served"
        if chosen is not None and _identity(entry) not in chosen:
            return f"`filter` of the source does not select it: {config.filter}"
        return ""


def _askable(name: str) -> bool:
    return readable(name) and name != CANARY


def _reporting(memory: Memory, question: Question) -> Iterator[str]:
    """The services of Consul of which something was reported under the name, or at the address and port."""
    wanted = {str(question.key), f"{question.key.address}:{question.key.port}"} if question.key else set()
    for name, known in memory.services.items():
        targets = known.targets or {}
        if question.service in targets or any(_place(entry) in wanted for each in targets.values() for entry in each):
            yield name


def _place(entry: Entry) -> str:
    return entry.reported if isinstance(entry, SetAside) else str(entry.key)


def _identity(entry: HealthEntry) -> tuple[str, str]:
    return entry.node.node, entry.service.id


def _raw(entry: HealthEntry) -> tuple[tuple[str, str], ...]:
    """Service metadata, tags, the node and the checks that do not pass."""
    checks = ", ".join(f"{check.check_id} {check.status}" for check in entry.checks if check.status != "passing")
    said = {"(node)": entry.node.node, "(tags)": ", ".join(entry.service.tags), "(checks)": checks}
    return bounded([*entry.service.meta.items(), *((key, value) for key, value in said.items() if value)])
