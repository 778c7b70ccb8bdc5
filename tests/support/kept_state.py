"""States as they are kept: one with a bit of everything, large ones, and all that there can be."""

from hypothesis import strategies as st

from bridge.model import (
    Endpoint,
    EndpointKey,
    Health,
    InstanceId,
    Locality,
    Scope,
    ServiceName,
    SourceName,
    UpstreamProtocol,
)
from bridge.state import (
    AgreedProtocol,
    Drain,
    Hold,
    KnownEndpoint,
    KnownService,
    KnownSource,
    Pause,
    RetainedCluster,
    State,
)

DC1 = SourceName("dc1")
WEB = ServiceName("web")

RICH = Endpoint(
    "10.0.0.7",
    8080,
    health=Health.DEGRADED,
    weight=3,
    locality=Locality("eu-west-1", "eu-west-1a", "rack-2"),
    metadata=(("stage", "prod"), ("version", "v1")),
    instance=InstanceId("node-7/web"),
    protocol=UpstreamProtocol.GRPC,
)

EVERYTHING = State(
    sources=(
        KnownSource(
            DC1,
            (
                KnownService(Scope("empty"), ServiceName("batch")),
                KnownService(
                    Scope("web"),
                    WEB,
                    (KnownEndpoint(RICH, 1764200000.25), KnownEndpoint(Endpoint("fd00::7", 80), 1764200001.0)),
                ),
            ),
            read=1764203600.5,
        ),
        KnownSource(SourceName("silent")),
    ),
    holds=(
        Hold(DC1, Scope("web"), WEB, EndpointKey("10.0.0.8", 8080), InstanceId("node-8/web"), "loss", 1764203000.0),
    ),
    retained=(RetainedCluster(ServiceName("old"), 1764202000.0),),
    protocols=(AgreedProtocol(WEB, UpstreamProtocol.GRPC),),
    pauses=(Pause(DC1, 1764203200.0, "uid 1000", "frozen-dc1.json"), Pause(None, 1764203100.0, "anna", "frozen.json")),
    drains=(
        Drain(WEB, None, "uid 1000"),
        Drain(EndpointKey("10.0.0.7", 8080), 1764207200.0, "anna"),
        Drain(EndpointKey("fd00::7", 80), None, "anna"),
    ),
)
"""A bit of everything, each in the order in which it is written; what the sample of schema version 1 holds."""


def large(services: int, endpoints: int, read: float = 1764203600.0) -> State:
    """Many services with many endpoints each."""
    known = (
        KnownService(
            Scope(f"service-{number:05}"),
            ServiceName(f"service-{number:05}"),
            tuple(
                KnownEndpoint(
                    Endpoint(
                        f"10.{number >> 8}.{number & 255}.{n}",
                        8080,
                        locality=Locality("eu-west-1", f"eu-west-1{'abc'[n % 3]}"),
                        metadata=(("version", "v1"),),
                        instance=InstanceId(f"node-{number}-{n}/web"),
                    ),
                    1764200000.125 + n,
                )
                for n in range(endpoints)
            ),
        )
        for number in range(services)
    )
    return State(sources=(KnownSource(DC1, tuple(known), read),))


_texts = st.text(max_size=8)
_sources = _texts.map(SourceName)
_times = st.floats(0, 1e12, allow_nan=False)
_names = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=8)
_services = _names.map(ServiceName)
_printable = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8)
_addresses = st.ip_addresses(v=4).map(str) | st.sampled_from(["fd00::1", "2001:db8::7"])
_keys = st.builds(EndpointKey, _addresses, st.integers(1, 65535))
_endpoints = st.builds(
    Endpoint,
    _addresses,
    st.integers(1, 65535),
    st.sampled_from(Health),
    st.integers(1, 128),
    st.builds(Locality, _printable, _printable, _printable),
    st.dictionaries(_printable, _printable, max_size=3).map(lambda found: tuple(sorted(found.items()))),
    st.text(st.characters(exclude_categories=()), max_size=8).map(InstanceId),  # halves of surrogate pairs as well
    st.none() | st.sampled_from(UpstreamProtocol),
)
_known = st.builds(
    KnownService,
    _texts.map(Scope),
    _services,
    st.lists(st.builds(KnownEndpoint, _endpoints, _times), max_size=4, unique_by=lambda each: each.endpoint).map(tuple),
)
states = st.builds(
    State,
    st.lists(
        st.builds(
            KnownSource,
            _sources,
            st.lists(_known, max_size=4, unique_by=lambda each: (each.scope, each.service)).map(tuple),
            st.none() | _times,
        ),
        max_size=3,
        unique_by=lambda each: each.source,
    ).map(tuple),
    st.lists(
        st.builds(Hold, _sources, _texts.map(Scope), _services, _keys, _texts.map(InstanceId), _texts, _times),
        max_size=3,
    ).map(tuple),
    st.lists(st.builds(RetainedCluster, _services, _times), max_size=3).map(tuple),
    st.lists(st.builds(AgreedProtocol, _services, st.sampled_from(UpstreamProtocol)), max_size=3).map(tuple),
    st.lists(st.builds(Pause, st.none() | _sources, _times, _texts, _texts), max_size=2).map(tuple),
    st.lists(st.builds(Drain, _services | _keys, st.none() | _times, _texts), max_size=3).map(tuple),
)
"""All that there can be."""
