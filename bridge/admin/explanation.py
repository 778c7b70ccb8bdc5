"""How a story is put together: what is asked of the sources, read from the bridge at one moment, and made of both."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bridge.admin import document, showing
from bridge.admin.conclusion import Orders, Whole, conclude, notes, withheld
from bridge.admin.digest import digest
from bridge.admin.event import documents
from bridge.admin.hold import HoldDocument
from bridge.admin.look import by_portions
from bridge.admin.query import NotThereError, WrongQueryError, given
from bridge.admin.ruling import merge
from bridge.admin.showing import Shows
from bridge.admin.story import (
    EndpointStory,
    ExplainDocument,
    ServiceStory,
    SightingDocument,
    SourceStory,
    Story,
    WithheldStory,
)
from bridge.admin.summary import disputed
from bridge.admin.view import ListedSource, View
from bridge.audit import Event, Remembered
from bridge.history import Age
from bridge.merge import Report, ServedEndpoint, Service
from bridge.model import EndpointKey, ServiceName, SourceName
from bridge.operator import parse_key
from bridge.provenance import Question, Sighting, Statement, close
from bridge.registry import RefusedService, ReportedSetAside
from xds import Receiver

SERVICES = 5
"""Services that the story of an address tells of, at most."""

ENDPOINTS = 100
"""Endpoints of a service that are told of one by one."""

EVENTS = 10
"""The latest events that are told of."""

_ALLOWED = "target: the name of a service, or an address as IP:PORT, such as 10.0.0.7:8080 or [fd00::7]:80"

Answers = Mapping[SourceName, Statement | str]

Has = TypeVar("Has", Report, ServedEndpoint)


def parse(parameters: Sequence[tuple[str, str]]) -> Question:
    """What is asked about.

    Raises:
        WrongQueryError: that is not said, or something else is; the message says what is allowed.
    """
    target = given(parameters, ("target",)).get("target", "")
    if not target:
        raise WrongQueryError(f"one target is needed; {_ALLOWED}")
    key = parse_key(target)
    return Question(key=key) if key else Question(service=target)


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What the bridge knows of one service."""

    name: ServiceName
    service: Service | None
    ages: Mapping[EndpointKey, Age]
    unserved: Callable[[], Sequence[Report]]
    """Finds what is reported of it and not served."""
    set_aside: Sequence[ReportedSetAside]
    retained_until: float | None
    receivers: Sequence[Receiver]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at one moment; nothing in it changes, so it may be worked on in a thread."""

    question: Question
    answers: Answers
    ready: document.ReadyDocument
    listed: Sequence[ListedSource]
    failures: Mapping[SourceName, tuple[str, ...]]
    refused: Mapping[SourceName, Sequence[RefusedService]]
    holds: Sequence[HoldDocument]
    orders: Orders
    names: Sequence[str]
    """All services that there are, or of which something is set aside."""
    near: Sequence[str]
    services: Sequence[ServiceFacts]
    shows: Shows
    remembered: Remembered
    now: float
    """Seconds on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Concern:
    """What of all that is served a question is about."""

    names: Sequence[ServiceName]
    """The service that is asked for, or those that have the address."""
    near: Sequence[str]
    """Addresses with ports that are served and look like the one that is asked for."""


def concern(question: Question, answers: Answers, services: Mapping[ServiceName, Service]) -> Concern:
    """What a question is about; goes through everything, and so is work for a thread."""
    key = question.key
    if key is None:
        return Concern([ServiceName(question.service)], ())
    network = key.address[: max(key.address.rfind("."), key.address.rfind(":"))]
    around = [
        (each.endpoint.key, name)
        for name, service in services.items()
        for each in service.endpoints
        if each.endpoint.address.startswith(network)
    ]
    served = {name for place, name in around if place == key}
    said = {ServiceName(name) for sighting in _sightings(answers) for name in sighting.services}
    near = close(str(key), {str(place) for place, _ in around})
    return Concern(sorted(served | said, key=lambda name: (name not in served, name))[:SERVICES], near)


async def observe(view: View, question: Question, answers: Answers, found: Concern, now: float) -> Facts:
    """What the bridge knows now. On the event loop, where others get their turn before the one moment it is of."""
    receivers: dict[ServiceName, Sequence[Receiver]] = {}
    for name in found.names:
        receivers[name] = await by_portions(view.streams.receivers(name)) if name in view.knowledge.services() else ()
        await asyncio.sleep(0)
    sources, knowledge = view.sources(), view.knowledge
    services = knowledge.services()
    holds = tuple(document.holds(view))
    retained = knowledge.retained()
    return Facts(
        question=question,
        answers=answers,
        ready=document.ready(view),
        listed=tuple(sources),
        failures={
            each.name: tuple(failure.error for failure in view.reading.status(each.name).failures) for each in sources
        },
        refused={each.name: knowledge.refused(each.name) for each in sources},
        holds=holds,
        orders=Orders(tuple(view.operation.drains()), {p.source: p for p in view.operation.pauses()}, holds),
        names=(*services, *knowledge.set_aside_counts()),
        near=found.near,
        services=tuple(
            ServiceFacts(
                name=name,
                service=services.get(name),
                ages=view.history.of(name),
                unserved=knowledge.unserved(name),
                set_aside=knowledge.set_aside(name),
                retained_until=retained.get(name),
                receivers=receivers[name],
            )
            for name in found.names
        ),
        shows=Shows({each.name: each.snapshot for each in view.serving.shown()}, view.rules().views),
        remembered=view.trail.remembered(),
        now=now,
    )


def explained(facts: Facts) -> ExplainDocument:
    """The whole story, and what it amounts to. Work for a thread.

    Raises:
        NotThereError: there is no such service, and there never was one that is remembered; the message names others.
    """
    narrowed = {each.name: _narrowed(each.service, facts.question.key) for each in facts.services if each.service}
    story = _story(facts, narrowed)
    finding, conclusion = conclude(story, _whole(narrowed.values(), facts.answers))
    nothing = not (story.services or story.events or any(each.sightings or each.refused for each in story.sources))
    if nothing and facts.question.key is None:
        raise NotThereError(conclusion)
    return ExplainDocument(story, finding, conclusion)


def _narrowed(service: Service, key: EndpointKey | None) -> Service:
    """A service with those of its endpoints that are asked about."""
    return service if key is None else replace(service, endpoints=tuple(_at(key, service.endpoints)))


def _at(key: EndpointKey, endpoints: Iterable[Has]) -> Iterator[Has]:
    """Those with this address and port."""
    return (each for each in endpoints if each.endpoint.address == key.address and each.endpoint.port == key.port)


def _whole(services: Iterable[Service], answers: Answers) -> Whole:
    """What is concluded of all endpoints that are asked about, although a story tells of the first ones alone."""
    digests = {str(each.name): digest(each) for each in services}
    sightings = [(source, each) for source, told in answers.items() for each in _sightings({source: told})]
    instances = {(source, each.instance) for source, each in sightings}
    served = {
        (origin.source, origin.instance, str(each.endpoint.key))
        for service in services
        for each in service.endpoints
        for origin in each.origins
        if (origin.source, origin.instance) in instances
    }
    return Whole(digests, served)


def _story(facts: Facts, narrowed: Mapping[ServiceName, Service]) -> Story:
    question = facts.question
    services = [_service(each, narrowed.get(each.name), facts) for each in facts.services]
    target = str(question.key) if question.key else question.service
    return Story(
        target=target,
        waiting=tuple(
            f"Envoys are answered once {each.source} has spoken ({each.waiting_for})" for each in facts.ready.waiting
        ),
        sources=tuple(_source(each, facts) for each in facts.listed),
        services=tuple(each for each in services if _known(each)),
        events=documents(facts.remembered.latest(lambda event: _about(event, question), EVENTS)),
        nearest=_nearest(facts),
    )


def _known(service: ServiceStory) -> bool:
    return service.served or bool(service.endpoints or service.withheld or service.set_aside)


def _source(listed: ListedSource, facts: Facts) -> SourceStory:
    answer = facts.answers.get(listed.name, "it was not asked")
    told = answer if isinstance(answer, Statement) else Statement("")
    pause = facts.orders.pauses.get(listed.name)
    refused = facts.refused.get(listed.name, ())
    return SourceStory(
        source=listed.name,
        type=listed.type,
        failing=facts.failures.get(listed.name, ()),
        paused_by=pause.by if pause else "",
        looked=told.looked,
        unanswered=answer if isinstance(answer, str) else "",
        sightings=tuple(map(_sighting, told.sightings)),
        more=told.more,
        refused=tuple(each.reason for each in refused if each.name == facts.question.service),
    )


def _sighting(seen: Sighting) -> SightingDocument:
    return SightingDocument(
        services=seen.services,
        scope=seen.scope,
        instance=seen.instance,
        reported=seen.reported,
        verdict=seen.verdict.value,
        reason=seen.reason,
        raw=dict(seen.raw),
    )


def _service(known: ServiceFacts, narrowed: Service | None, facts: Facts) -> ServiceStory:
    service, key = known.service, facts.question.key
    served = narrowed.endpoints if narrowed else ()
    unserved = known.unserved()
    aside = [each for each in known.set_aside if key is None or _is_about(each, key, facts)]
    holds = tuple(hold for hold in facts.holds if known.name in hold.services)
    orders = Orders(facts.orders.drains, facts.orders.pauses, holds)
    there = service is not None and (key is None or bool(served))
    return ServiceStory(
        name=known.name,
        served=there,
        merge=merge(service, facts.now) if service else None,
        protocol=service.protocol.value if service and service.protocol else None,
        disputed=disputed(service) if service else (),
        retained_until=known.retained_until,
        endpoints=tuple(
            EndpointStory(
                document.endpoint(each, known.ages.get(each.endpoint.key)),
                tuple(notes(each, service, orders)) if service else (),
            )
            for each in served[:ENDPOINTS]
        ),
        more=max(0, len(served) - ENDPOINTS),
        withheld=tuple(_withheld(unserved if key is None else _at(key, unserved), service)),
        set_aside=tuple(document.set_aside(each) for each in aside),
        holds=holds,
        views=tuple(showing.views(known.name, service, facts.shows, known.receivers)) if there else (),
    )


def _is_about(aside: ReportedSetAside, key: EndpointKey, facts: Facts) -> bool:
    """Whether an entry is this endpoint: by its address, or by the word of its source, which may spell it otherwise."""
    if aside.entry.reported == str(key):
        return True
    answer, instance = facts.answers.get(aside.source), aside.entry.instance
    return bool(instance) and isinstance(answer, Statement) and any(s.instance == instance for s in answer.sightings)


def _withheld(reports: Iterable[Report], service: Service | None) -> Iterator[WithheldStory]:
    for report in reports:
        origin = report.origin
        reason = withheld(report, service)
        yield WithheldStory(str(report.endpoint.key), origin.source, origin.scope, origin.instance, reason)


def _about(event: Event, question: Question) -> bool:
    return event.endpoint == str(question.key) if question.key else event.service == question.service


def _nearest(facts: Facts) -> tuple[str, ...]:
    told = [near for answer in facts.answers.values() if isinstance(answer, Statement) for near in answer.nearest]
    if facts.question.key is None:
        return close(facts.question.service, dict.fromkeys([*facts.names, *told]))
    return tuple(dict.fromkeys([*told, *facts.near]))[:3]


def _sightings(answers: Answers) -> Iterator[Sighting]:
    return (each for answer in answers.values() if isinstance(answer, Statement) for each in answer.sightings)
