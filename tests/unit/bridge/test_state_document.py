import math
from collections.abc import Callable

import pytest

from bridge.model import Endpoint, EndpointKey, InstanceId, Scope, ServiceName, SourceName, UpstreamProtocol
from bridge.state import AgreedProtocol, Drain, Hold, KnownEndpoint, KnownService, KnownSource, Pause, RetainedCluster

DC1, WEB = SourceName("dc1"), ServiceName("web")
PLACE = EndpointKey("10.0.0.1", 80)
IMPOSSIBLE = ServiceName("")


def hold(service: ServiceName = WEB, place: EndpointKey = PLACE, since: float = 1.0) -> Hold:
    return Hold(DC1, Scope(""), service, place, InstanceId(""), "loss", since)


@pytest.mark.parametrize("time", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize(
    "build",
    [
        lambda time: KnownEndpoint(Endpoint("10.0.0.1", 80), time),
        lambda time: KnownSource(DC1, (), time),
        lambda time: hold(since=time),
        lambda time: RetainedCluster(WEB, time),
        lambda time: Pause(None, time, "", ""),
        lambda time: Drain(WEB, time, ""),
    ],
)
def test_a_time_that_is_none_cannot_be_kept(build: Callable[[float], object], time: float) -> None:
    with pytest.raises(ValueError, match="no point in time"):
        build(time)


@pytest.mark.parametrize(
    "build",
    [
        lambda: KnownService(Scope(""), IMPOSSIBLE),
        lambda: hold(IMPOSSIBLE),
        lambda: RetainedCluster(IMPOSSIBLE, 1.0),
        lambda: AgreedProtocol(IMPOSSIBLE, UpstreamProtocol.GRPC),
        lambda: Drain(IMPOSSIBLE, None, ""),
    ],
)
def test_a_service_that_no_cluster_can_be_named_for_cannot_be_kept(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="service name"):
        build()


@pytest.mark.parametrize("place", [EndpointKey("web.local", 80), EndpointKey("10.0.0.1", 0)])
def test_a_place_where_no_endpoint_can_be_cannot_be_kept(place: EndpointKey) -> None:
    with pytest.raises(ValueError, match=r"address|port"):
        hold(place=place)
    with pytest.raises(ValueError, match=r"address|port"):
        Drain(place, None, "")
