"""The document of `/api/v1/explain`: the whole story of one service or address, in the order in which it is read.

Times are Unix seconds; texts are empty where they say nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.admin.document import EndpointDocument, SetAsideDocument
from bridge.admin.event import EventDocument
from bridge.admin.hold import HoldDocument
from bridge.admin.ruling import MergeDocument


@dataclass(frozen=True, slots=True)
class SightingDocument:
    """One thing as a source has it."""

    services: tuple[str, ...]
    """The names that it goes by, or would."""
    scope: str
    instance: str
    reported: str
    """Address and port as the source gives them."""
    verdict: str
    """`reported` as an endpoint, `set_aside` because of a mistake, or `left_out` by configuration or state."""
    reason: str
    """Why it is not served."""
    raw: Mapping[str, str]
    """Labels, tags and the like as the source has them, 2 KiB at most."""


@dataclass(frozen=True, slots=True)
class SourceStory:
    """What one source has of it, and what its adapter made of that."""

    source: str
    type: str
    failing: tuple[str, ...]
    """What its reads fail with now; what was known before is kept."""
    paused_by: str
    """The operator who paused it; what it says counts for nothing until then."""
    looked: str
    """What was looked through."""
    unanswered: str
    """Why it does not say what it has."""
    sightings: tuple[SightingDocument, ...]
    more: int
    """How many others it has."""
    refused: tuple[str, ...]
    """Why services are refused for their names."""


@dataclass(frozen=True, slots=True)
class EndpointStory:
    """An endpoint that is served, and every rule that had a say in it."""

    endpoint: EndpointDocument
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WithheldStory:
    """An endpoint that a source reports and that is not served."""

    endpoint: str
    source: str
    scope: str
    instance: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClientStory:
    """An Envoy that has not got it as it is served now."""

    node: str
    peer: str
    type: str
    """`CDS` or `EDS`."""
    message: str
    """What it said when it refused it."""


@dataclass(frozen=True, slots=True)
class ViewStory:
    """What a view makes of a service, and how far the Envoys are that see it."""

    view: str
    in_use: bool
    shown: bool
    reason: str
    """Why it is not shown."""
    cds_version: str
    """Of all clusters, with which this one went out."""
    eds_version: str
    cluster_version: str
    """Of the cluster alone; it is another one when something in it is."""
    endpoints_version: str
    draining_left_out: tuple[str, ...]
    """Draining endpoints that are not named: without enough others Envoy would panic, and pick them too."""
    asked: int
    """Envoys that asked for it."""
    accepted: int
    """Of these, how many have all of it as it is now."""
    accepted_by: tuple[str, ...]
    """The ids of their nodes, the first few."""
    waiting: tuple[ClientStory, ...]
    """Those that have not answered yet, the first few."""
    waiting_count: int
    """All of these, as Envoys."""
    refused: tuple[ClientStory, ...]
    """Those that rejected it, the first few."""
    refused_count: int
    """All of these, as Envoys."""


@dataclass(frozen=True, slots=True)
class ServiceStory:
    """What became of it in one service."""

    name: str
    served: bool
    """Whether there is a cluster, with endpoints or without."""
    merge: MergeDocument | None
    protocol: str | None
    """What its cluster speaks to endpoints; null where nobody says so."""
    disputed: tuple[str, ...]
    """The protocols that its endpoints ask for while they disagree; `protocol` is what they last agreed on."""
    retained_until: float | None
    """When its cluster goes, which is empty because no source names it any more; null while one does."""
    endpoints: tuple[EndpointStory, ...]
    """Of what is told, the first hundred; what it amounts to is concluded of all."""
    more: int
    withheld: tuple[WithheldStory, ...]
    set_aside: tuple[SetAsideDocument, ...]
    holds: tuple[HoldDocument, ...]
    views: tuple[ViewStory, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is known, before it is summed up."""

    target: str
    waiting: tuple[str, ...]
    """Why Envoys are not answered yet."""
    sources: tuple[SourceStory, ...]
    services: tuple[ServiceStory, ...]
    events: tuple[EventDocument, ...]
    """The latest about it."""
    nearest: tuple[str, ...]
    """What may have been meant, where it was not found."""


@dataclass(frozen=True, slots=True)
class ExplainDocument:
    """`/api/v1/explain`."""

    story: Story
    finding: bool
    """Whether somebody should do something: it is not served, or an Envoy refuses it."""
    conclusion: str
    """All of it in one line, with what to do."""
