"""What is on each page: pure functions of an observation and a query, but for what they remember to be quick."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from bridge.admin import event, service, summary
from bridge.admin.client import Client, clients, in_sync
from bridge.admin.digest import HEALTHS, Digest, Digests, Tally, tally, together
from bridge.admin.finding import findings
from bridge.admin.observation import Observation
from bridge.admin.page import listing, written
from bridge.admin.page.flow import last_read, picture, source_tone
from bridge.admin.page.rendering import Renderer
from bridge.admin.source import SourceDocument
from bridge.admin.wording import brief, thousands
from bridge.history import Age
from bridge.merge import Service
from bridge.model import EndpointKey, ServiceName
from bridge.problem import nearest
from bridge.registry import ReportedSetAside
from bridge.wording import milliseconds

LATEST = 8
"""Events on the overview."""

GONE = 50
"""Envoys that have left, as far as the page names them."""

SLOW = 5.0
"""Seconds from a source to the last Envoy concerned beyond which a change is late."""

_HERE = MappingProxyType(
    {
        "overview.html": "/",
        "services.html": "/services",
        "service.html": "/services",
        "envoys.html": "/envoys",
        "events.html": "/events",
        "config.html": "/config",
    }
)
"""The entry of the menu that a template belongs to."""

Query = Sequence[tuple[str, str]]


class NoSuchServiceError(Exception):
    """A service that is asked for and not there; the message offers the nearest."""


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of one service and not in an observation."""

    name: ServiceName
    set_aside: Sequence[ReportedSetAside]
    ages: Mapping[EndpointKey, Age]


@dataclass(frozen=True, slots=True)
class Tile:
    """A number that says how it is."""

    name: str
    value: str
    note: str
    tone: str
    link: str


class Content:
    """Makes the pages.

    Args:
        version: of the bridge; called in a thread.
        digests: what others have worked out too.
    """

    def __init__(self, version: Callable[[], str], digests: Digests) -> None:
        self._read_version = version
        self._renderer = Renderer()
        self._digests = digests

    @cached_property
    def _version(self) -> str:
        return self._read_version()

    def prepare(self) -> None:
        """Do what the overview needs once, and other pages too."""
        self._renderer.prepare(("base.html", "part.html", "overview.html"))

    def overview(self, observed: Observation, query: Query) -> str:
        """How the whole bridge is."""
        listing.parse(query, {})
        digests, everybody = self._digests.of(observed.known.services), clients(observed.streams)
        return self._rendered(
            "overview.html",
            observed,
            findings=findings(observed, everybody),
            tiles=tiles(observed, digests, everybody),
            picture=picture(observed.sources, digests, everybody, ready=observed.readiness.ready),
            sources=[(source, last_read(source), _reported(source)) for source in observed.sources],
            events=_documents(observed, event.Query(limit=LATEST))[::-1],
        )

    def services(self, observed: Observation, query: Query) -> str:
        """All services, or those that are asked for."""
        digests = self._digests.of(observed.known.services)
        choices = listing.service_choices(digests, (source.name for source in observed.sources))
        question = listing.parse(query, choices)
        known = {service.name: service for service in observed.known.services}
        found = listing.services(digests, known, observed.known.set_aside, question)
        page = listing.paged(found, len(digests), question)
        of_page = replace(observed.known, services=[known[digest.name] for digest in page.rows])
        summaries = summary.document(of_page, observed.monotonic).services
        rows = list(zip(page.rows, summaries, strict=True))
        return self._rendered("services.html", observed, question=question, choices=choices, page=page, rows=rows)

    def service(self, observed: Observation, details: Details, query: Query) -> str:
        """One service, with each endpoint."""
        name = details.name
        question = listing.parse(query, {"q": None, "health": HEALTHS})
        known = {service.name: service for service in observed.known.services}
        found = known.get(name) or (Service(name) if details.set_aside else None)
        if found is None:
            raise NoSuchServiceError(f"no source reports a service {name[:255]!r}{nearest(name, known)}")
        endpoints = listing.endpoints(found.endpoints, question)
        page = listing.paged(endpoints, len(found.endpoints), question)
        whole = service.Known(found, details.set_aside, details.ages, observed.monotonic)
        return self._rendered(
            "service.html",
            observed,
            service=service.document(whole, page.rows),
            tally=tally(found),
            question=question,
            healths=HEALTHS,
            page=page,
            retained=observed.known.retained.get(name),
            events=_documents(observed, event.Query(service=name, limit=LATEST))[::-1],
        )

    def envoys(self, observed: Observation, query: Query) -> str:
        """Who is connected, and how far."""
        everybody = clients(observed.streams)
        choices = listing.client_choices(everybody)
        question = listing.parse(query, choices)
        page = listing.paged(listing.clients(everybody, question), len(everybody), question)
        latest = observed.absent[::-1]
        return self._rendered(
            "envoys.html",
            observed,
            question=question,
            choices=choices,
            page=page,
            absent=latest[:GONE],
            more_absent=max(0, len(latest) - GONE),
        )

    def events(self, observed: Observation, query: Query) -> str:
        """What has happened, newest first."""
        question = listing.parse(query, {"service": None, "source": None, "endpoint": None})
        sources = {source.name for source in observed.sources}
        sources |= {each.source for each in observed.remembered.events if each.source}
        services = {each.service for each in observed.remembered.events if each.service}
        services |= {service.name for service in observed.known.services}
        # A form sends what is left empty as well.
        given = [(name, value.strip()) for name, value in question.given.items() if value.strip()]
        asked = event.parse(given, sources, services)
        remembered = observed.remembered
        numbers = [remembered.first + place for place, each in enumerate(remembered.events) if asked.matches(each)]
        page = listing.paged(numbers[::-1], len(remembered.events), question)
        rows = [event.shown(remembered.numbered(number)) for number in page.rows]
        return self._rendered("events.html", observed, question=question, sources=sorted(sources), page=page, rows=rows)

    def configuration(self, observed: Observation, query: Query) -> str:
        """The configuration in use, as it was written, without what is secret."""
        listing.parse(query, {})
        text = "\n".join(written.lines(observed.written))
        return self._rendered("config.html", observed, text=text, config=observed.config)

    def problem(self, observed: Observation, title: str, message: str) -> str:
        """That what was asked for cannot be shown."""
        return self._rendered("problem.html", observed, title=title, message=message)

    def _rendered(self, template: str, observed: Observation, **values: object) -> str:
        return self._renderer.render(
            template,
            here=_HERE.get(template, ""),
            now=observed.now,
            started=observed.started,
            version=self._version,
            ready=observed.readiness.ready,
            **values,
        )


def _reported(source: SourceDocument) -> Tally:
    return Tally(tuple(source.endpoints[health] for health in HEALTHS))


def tiles(observed: Observation, digests: Sequence[Digest], everybody: Sequence[Client]) -> list[Tile]:
    """The whole bridge in six numbers."""
    total = together(digest.tally for digest in digests)
    fresh = sum(source_tone(source) == "good" for source in observed.sources)
    synced = in_sync(everybody)
    ready = observed.readiness.ready
    return [
        Tile(
            "Ready",
            "yes" if ready else "no",
            "Envoys are answered" if ready else "no Envoy is answered yet",
            "good" if ready else "bad",
            "/readyz",
        ),
        Tile(
            "Sources fresh",
            _of(fresh, len(observed.sources)),
            _oldest(observed),
            _share(fresh, len(observed.sources)),
            "#sources",
        ),
        Tile(
            "Endpoints healthy",
            _of(total.healthy, total.total),
            f"in {thousands(len(digests))} services",
            _share(total.healthy, total.total),
            "/services",
        ),
        Tile(
            "Envoys in sync",
            _of(synced, len(everybody)),
            f"{thousands(len(observed.streams))} {'stream' if len(observed.streams) == 1 else 'streams'}",
            _share(synced, len(everybody)),
            "/envoys",
        ),
        Tile(
            "Propagation p99",
            milliseconds(observed.propagation),
            "source to last Envoy, since the start",
            "idle" if observed.propagation is None else "good" if observed.propagation <= SLOW else "warn",
            "/metrics",
        ),
        _last_change(observed),
    ]


def _of(part: int, whole: int) -> str:
    return f"{thousands(part)} of {thousands(whole)}"


def _oldest(observed: Observation) -> str:
    ages = [source.seconds_since_success for source in observed.sources if source.seconds_since_success is not None]
    return f"the oldest read is {brief(max(ages))} ago" if ages else "not read yet"


def _share(part: int, whole: int) -> str:
    if not whole:
        return "idle"
    return "good" if part == whole else "warn" if part else "bad"


def _last_change(observed: Observation) -> Tile:
    last = event.last_change(observed.remembered)
    if last is None:
        return Tile("Last change", "–", "nothing has changed yet", "idle", "/events")
    return Tile("Last change", f"{brief(observed.now - last.at)} ago", _said(last), "good", "/events")


def _said(last: event.EventDocument) -> str:
    return " ".join(filter(None, (last.action, last.endpoint, "of", last.service)))


def _documents(observed: Observation, query: event.Query) -> Sequence[event.EventDocument]:
    return event.document(observed.remembered, query).events
