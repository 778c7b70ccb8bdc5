"""A page of a long list: what is on it, and that nothing is worked out for the others."""

import re
from collections.abc import Iterator, Mapping

import pytest

from bridge.admin.page import listing
from bridge.history import Age
from bridge.merge import Origin, ServedEndpoint, Service
from bridge.model import Endpoint, EndpointKey, Health, InstanceId, Scope, ServiceName
from support.admin_bench import Bench
from support.admin_fakes import DC1


class Asked(Mapping[EndpointKey, Age]):
    """Ages that note of which endpoints they are asked, and know none."""

    def __init__(self) -> None:
        self.asked: list[EndpointKey] = []

    def __getitem__(self, key: EndpointKey) -> Age:
        self.asked.append(key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[EndpointKey]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("query", "count", "first", "last"),
    [
        ("", "120 endpoints", 1, 50),
        ("page=3", "120 endpoints", 101, 120),
        ("page=99", "120 endpoints", 101, 120),
        ("health=unhealthy&page=2", "60 of 120 endpoints", 102, 120),
        ("q=10.1.0.11", "11 of 120 endpoints", 11, 119),
        ("q=i-7", "120 endpoints", 1, 50),
    ],
)
async def test_of_a_large_service_a_page_is_made_and_nothing_else(
    bench: Bench, query: str, count: str, first: int, last: int
) -> None:
    ages = bench.history.ages[ServiceName("big")] = Asked()
    origins = (Origin(DC1, Scope("dc1"), InstanceId("i-7"), since=1.0),)
    endpoints = [
        ServedEndpoint(Endpoint(f"10.1.0.{number}", 80, Health.HEALTHY if number % 2 else Health.UNHEALTHY), origins)
        for number in range(1, 121)
    ]
    bench.knowledge.put(Service(ServiceName("big"), tuple(endpoints)))

    status, page = await bench.text(f"/services/big?{query}")

    shown = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert status == 200
    assert count in shown
    assert "60 healthy" in shown
    assert [str(ages.asked[0]), str(ages.asked[-1])] == [f"10.1.0.{first}:80", f"10.1.0.{last}:80"]
    assert len(ages.asked) <= listing.PAGE
