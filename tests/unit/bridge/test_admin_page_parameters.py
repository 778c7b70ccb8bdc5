"""What a list is asked for with the parameters of a URL, and what is answered when there is no such thing."""

import html

import pytest

from bridge.merge import ServedEndpoint, Service
from bridge.model import Endpoint, Locality, ServiceName
from support.admin_bench import Bench
from support.admin_fakes import ORIGIN


def zoned(zone: str) -> ServedEndpoint:
    return ServedEndpoint(Endpoint("10.1.0.1", 80, locality=Locality(zone=zone)), (ORIGIN,))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/services?zone=moon", "zone: there is none called 'moon'; there are eu-a"),
        ("/services?colour=red", "there is no parameter 'colour'; there are q, source, zone, health, state, page"),
        ("/services?page=0", "page: '0' is not a number from 1 on"),
        ("/services?page=x", "page: 'x' is not a number from 1 on"),
        ("/services?q=a&q=b", "q: is given twice"),
        (
            "/services?state=good",
            "state: there is none called 'good'; there are drained, empty, held, restored, set_aside, shared",
        ),
        (
            "/envoys?state=good",
            "state: there is none called 'good'; there are behind, refused, synced, unsent, waiting",
        ),
        ("/events?endpoint=1", "endpoint: '1' is not written as IP:PORT"),
        ("/?x=1", "there is no parameter 'x'"),
    ],
)
async def test_a_question_that_is_not_understood_says_what_there_is(bench: Bench, path: str, message: str) -> None:
    bench.knowledge.put(Service(ServiceName("web"), (zoned("eu-a"),)))

    status, page = await bench.text(path)

    assert status == 400
    assert message in html.unescape(page)


@pytest.mark.parametrize(
    ("zones", "end"),
    [(9, "zone-007, zone-008"), (50, "zone-048, zone-049"), (60, "zone-049 and 10 more; did you mean 'zone-059'?")],
)
async def test_values_that_are_allowed_are_named_up_to_fifty(bench: Bench, zones: int, end: str) -> None:
    for number in range(zones):
        name = ServiceName(f"s{number:03}")
        bench.knowledge.put(Service(name, (zoned(f"zone-{number:03}"),)))

    for path in ("/services", "/api/v1/endpoints"):
        _, said = await bench.text(f"{path}?zone=zone-59")
        assert "zone: there is none called" in said
        assert end in html.unescape(said)
