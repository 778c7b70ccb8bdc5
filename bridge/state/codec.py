"""The content of a state file: `State` to JSON and back, strictly.

Endpoints are arrays, since there are many of them; everything else has names. Sorted, so that the same state is the
same bytes. What is written here is schema version 1, for which `tests/unit/bridge/state-1.json` is a sample: whoever
changes the form raises the version and adds a migration to `schema`.
"""

import json
from collections.abc import Iterable, Iterator

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
from bridge.state.document import (
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

# Only ASCII, so that even half of a surrogate pair, which a source may report, comes back as it was.
_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)

Json = dict[str, object]


class Encoder:
    """Encodes one state after another; what the last one had too is not encoded again."""

    def __init__(self) -> None:
        # By identity: to compare two services costs as much as to encode one. The service keeps its `id` from reuse.
        self._known: dict[int, tuple[KnownService, bytes]] = {}

    def encode(self, state: State) -> Iterator[bytes]:
        """The content, in parts that are small: each is made in one go, in which no other thread can run."""
        known, self._known = self._known, {}
        yield b'{"sources":['
        for number, source in enumerate(sorted(state.sources, key=lambda each: each.source)):
            head = _JSON.encode({"source": source.source, "read": source.read})
            yield (b"," if number else b"") + head[:-1].encode() + b',"services":['
            for place, service in enumerate(sorted(source.services, key=lambda each: (each.scope, each.service))):
                yield b"," if place else b""
                yield self._encoded(service, known)
            yield b"]}"
        yield b"]," + _JSON.encode(_rest(state))[1:].encode()

    def _encoded(self, service: KnownService, known: dict[int, tuple[KnownService, bytes]]) -> bytes:
        kept = known.get(id(service)) or (service, _JSON.encode(_service(service)).encode())
        self._known[id(service)] = kept
        return kept[1]


def decode(content: object) -> State:
    """The state that a parsed content describes.

    Raises:
        ValueError: it is none; the message says what is wrong.
    """
    match content:
        case {
            "sources": list(sources),
            "holds": list(holds),
            "retained": list(retained),
            "protocols": list(protocols),
            "pauses": list(pauses),
            "drains": list(drains),
        } if _exact(content, 6):
            return State(
                sources=tuple(map(_read_source, sources)),
                holds=tuple(map(_read_hold, holds)),
                retained=tuple(map(_read_retained, retained)),
                protocols=tuple(map(_read_protocol, protocols)),
                pauses=tuple(map(_read_pause, pauses)),
                drains=tuple(map(_read_drain, drains)),
            )
    raise _impossible("state", content)


def _service(service: KnownService) -> Json:
    endpoints = sorted(map(_endpoint, service.endpoints), key=lambda each: (each[0], each[1], each[6]))
    return {"scope": service.scope, "service": service.service, "endpoints": endpoints}


def _endpoint(known: KnownEndpoint) -> tuple[str, int, str, int, tuple[str, ...], object, str, str | None, float]:
    endpoint, place = known.endpoint, known.endpoint.locality
    return (
        endpoint.address,
        endpoint.port,
        endpoint.health.value,
        endpoint.weight,
        (place.region, place.zone, place.sub_zone),
        endpoint.metadata,
        endpoint.instance,
        endpoint.protocol.value if endpoint.protocol else None,
        known.since,
    )


def _rest(state: State) -> Json:
    """Everything but the sources: little."""
    return {
        "holds": _sorted(map(_hold, state.holds)),
        "retained": _sorted({"service": each.service, "gone": each.gone} for each in state.retained),
        "protocols": _sorted({"service": each.service, "protocol": each.protocol.value} for each in state.protocols),
        "pauses": _sorted(map(_pause, state.pauses)),
        "drains": _sorted(map(_drain, state.drains)),
    }


def _sorted(items: Iterable[Json]) -> list[Json]:
    return sorted(items, key=_JSON.encode)


def _hold(hold: Hold) -> Json:
    return {
        "source": hold.source,
        "scope": hold.scope,
        "service": hold.service,
        "endpoint": _key(hold.endpoint),
        "instance": hold.instance,
        "reason": hold.reason,
        "since": hold.since,
    }


def _pause(pause: Pause) -> Json:
    return {"source": pause.source, "since": pause.since, "by": pause.by, "frozen": pause.frozen}


def _drain(drain: Drain) -> Json:
    target = _key(drain.target) if isinstance(drain.target, EndpointKey) else drain.target
    return {"target": target, "until": drain.until, "by": drain.by}


def _key(key: EndpointKey) -> tuple[str, int]:
    return key.address, key.port


def _read_source(value: object) -> KnownSource:
    match value:
        case {"source": str(source), "read": int() | float() | None as read, "services": list(services)} if _exact(
            value, 3, read
        ):
            return KnownSource(SourceName(source), tuple(map(_read_service, services)), read)
    raise _impossible("source", value)


def _read_service(value: object) -> KnownService:
    match value:
        case {"scope": str(scope), "service": str(service), "endpoints": list(endpoints)} if _exact(value, 3):
            return KnownService(Scope(scope), ServiceName(service), tuple(map(_read_endpoint, endpoints)))
    raise _impossible("service", value)


def _read_endpoint(value: object) -> KnownEndpoint:
    match value:
        case [
            str(address),
            int(port),
            str(health),
            int(weight),
            [str(region), str(zone), str(sub_zone)],
            list(metadata),
            str(instance),
            str() | None as protocol,
            int() | float() as since,
        ] if _exact(value, 9, port, weight, since):
            endpoint = Endpoint(
                address,
                port,
                Health(health),
                weight,
                Locality(region, zone, sub_zone),
                tuple(map(_read_pair, metadata)),
                InstanceId(instance),
                None if protocol is None else UpstreamProtocol(protocol),
            )
            return KnownEndpoint(endpoint, since)
    raise _impossible("endpoint", value)


def _read_pair(value: object) -> tuple[str, str]:
    match value:
        case [str(key), str(text)]:
            return key, text
    raise _impossible("metadata", value)


def _read_hold(value: object) -> Hold:
    match value:
        case {
            "source": str(source),
            "scope": str(scope),
            "service": str(service),
            "endpoint": endpoint,
            "instance": str(instance),
            "reason": str(reason),
            "since": int() | float() as since,
        } if _exact(value, 7, since):
            return Hold(
                SourceName(source),
                Scope(scope),
                ServiceName(service),
                _read_key(endpoint),
                InstanceId(instance),
                reason,
                since,
            )
    raise _impossible("hold", value)


def _read_retained(value: object) -> RetainedCluster:
    match value:
        case {"service": str(service), "gone": int() | float() as gone} if _exact(value, 2, gone):
            return RetainedCluster(ServiceName(service), gone)
    raise _impossible("retained cluster", value)


def _read_protocol(value: object) -> AgreedProtocol:
    match value:
        case {"service": str(service), "protocol": str(protocol)} if _exact(value, 2):
            return AgreedProtocol(ServiceName(service), UpstreamProtocol(protocol))
    raise _impossible("protocol", value)


def _read_pause(value: object) -> Pause:
    match value:
        case {
            "source": str() | None as source,
            "since": int() | float() as since,
            "by": str(by),
            "frozen": str(frozen),
        } if _exact(value, 4, since):
            return Pause(None if source is None else SourceName(source), since, by, frozen)
    raise _impossible("pause", value)


def _read_drain(value: object) -> Drain:
    match value:
        case {"target": target, "until": int() | float() | None as until, "by": str(by)} if _exact(value, 3, until):
            return Drain(ServiceName(target) if isinstance(target, str) else _read_key(target), until, by)
    raise _impossible("drain", value)


def _read_key(value: object) -> EndpointKey:
    match value:
        case [str(address), int(port)] if _exact(value, 2, port):
            return EndpointKey(address, port)
    raise _impossible("address and port", value)


def _exact(value: object, size: int, *numbers: float | None) -> bool:
    """Whether there is nothing beside what was matched, and no number is a truth value, which Python takes for one."""
    return isinstance(value, dict | list) and len(value) == size and bool not in map(type, numbers)


def _impossible(what: str, value: object) -> ValueError:
    return ValueError(f"{json.dumps(value)[:200]} is no {what}")
