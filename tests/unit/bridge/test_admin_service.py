from typing import cast
from urllib.parse import quote

import pytest

from bridge.admin.service import LIMIT
from bridge.merge import ServedEndpoint, Service
from bridge.model import ServiceName
from support.admin_bench import Bench
from support.admin_fakes import served

PATH = "/api/v1/services/web"


def put(bench: Bench, count: int) -> list[str]:
    """A service of so many endpoints, IPv6 among them; returns its addresses in their order."""
    addresses = sorted(f"10.0.{n // 100}.{n % 100}" if n % 3 else f"fd00::{n:x}" for n in range(1, count + 1))
    endpoints: list[ServedEndpoint] = [served(address) for address in addresses]
    bench.knowledge.put(Service(ServiceName("web"), tuple(endpoints)))
    return addresses


def addresses(document: dict[str, object]) -> list[str]:
    return [str(each["address"]) for each in cast("list[dict[str, object]]", document["endpoints"])]


async def test_a_service_is_whole_on_one_page_where_it_fits(bench: Bench) -> None:
    there = put(bench, LIMIT)

    document = await bench.get(PATH)

    assert addresses(document) == there
    assert (document["total"], document["after"]) == (LIMIT, None)


@pytest.mark.parametrize("limit", [None, 7, LIMIT])
async def test_the_pages_of_a_large_service_have_each_endpoint_once(bench: Bench, limit: int | None) -> None:
    there = put(bench, 1200)
    narrowed = f"&limit={limit}" if limit else ""

    pages = [await bench.get(PATH + narrowed.replace("&", "?"))]
    while (after := pages[-1]["after"]) is not None:
        pages.append(await bench.get(f"{PATH}?after={quote(str(after))}{narrowed}"))

    assert [address for page in pages for address in addresses(page)] == there
    assert {len(addresses(page)) for page in pages[:-1]} == {limit or LIMIT}
    assert {page["total"] for page in pages} == {1200}


async def test_a_page_goes_on_where_an_endpoint_was_that_has_gone(bench: Bench) -> None:
    bench.knowledge.put(Service(ServiceName("web"), (served("10.0.0.1"), served("10.0.0.3"))))

    document = await bench.get(f"{PATH}?after=10.0.0.2:80")

    assert addresses(document) == ["10.0.0.3"]
    assert (document["total"], document["after"]) == (2, None)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=501", "limit: '501' is not a number from 1 to 500"),
        ("limit=0", "limit: '0' is not a number from 1 to 500"),
        ("after=web", "after: 'web' is not the `after` of an answer"),
        ("zone=eu-a", "there is no parameter 'zone'; there are after, limit"),
    ],
)
async def test_what_is_no_page_is_refused(bench: Bench, query: str, said: str) -> None:
    put(bench, 1)

    assert await bench.request(f"{PATH}?{query}") == (400, {"error": said})
