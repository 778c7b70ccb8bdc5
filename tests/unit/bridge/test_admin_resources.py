"""What views show, page by page: `/api/v1/views` and `/api/v1/resources`."""

from base64 import b64decode

import pytest
from yarl import URL

from bridge.admin import resource
from bridge.config import ViewMatch, ViewRule
from bridge.views import ShownView
from support.admin_bench import Bench
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, Snapshot


def path(**query: str) -> str:
    return str(URL("/api/v1/resources").with_query(query))


async def test_views_are_told_with_whom_they_are_for(bench: Bench) -> None:
    served = snapshot({"web": "c", "api": "c"})
    bench.rules.views = (ViewRule(), ViewRule(match=ViewMatch(cluster="edge")))
    bench.serving.other = [ShownView("default", None, "", served), ShownView("views[1] in eu", 1, "eu", served)]
    versions = {"cluster": served.version(CLUSTER.url), "endpoint": served.version(ENDPOINT.url)}

    assert await bench.get("/api/v1/views") == {
        "views": [
            {"name": "default", "match": None, "region": "", "services": 2, "versions": versions},
            {
                "name": "views[1] in eu",
                "match": {"id": None, "cluster": "edge", "metadata": {}, "san": None},
                "region": "eu",
                "services": 2,
                "versions": versions,
            },
        ]
    }


async def test_nothing_is_in_use_before_envoys_are_answered(bench: Bench) -> None:
    assert await bench.get("/api/v1/views") == {"views": []}


async def test_resources_come_page_by_page_until_none_is_left(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "PAGE", 2)
    bench.serving.snapshot = served = snapshot(dict.fromkeys(["a", "c", "e", "b", "d"], "c"))
    found, pages, after = dict[str, bytes](), 0, dict[str, str]()

    while pages == 0 or after:
        page = await bench.get(path(view="default", type="cluster", **after))
        assert page["version"] == served.version(CLUSTER.url)
        assert isinstance(page["resources"], list)
        found |= {each["name"]: b64decode(each["body"]) for each in page["resources"]}
        after = {"after": str(page["after"])} if page["after"] else {}
        pages += 1

    assert pages == 3
    assert list(found) == ["a", "b", "c", "d", "e"]
    assert found == {name: each.body for name, each in served.resources(CLUSTER.url).items()}


async def test_a_page_is_as_small_as_its_bytes_allow(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "PAGE_BYTES", 1)
    bench.serving.snapshot = snapshot({"a": "", "b": ""})

    first = await bench.get(path(view="default", type="endpoint"))
    last = await bench.get(path(view="default", type="endpoint", after="a"))

    assert isinstance(first["resources"], list)
    assert ([each["name"] for each in first["resources"]], first["after"]) == (["a"], "a")
    assert last["after"] is None


async def test_a_view_without_services_is_one_empty_page(bench: Bench) -> None:
    bench.serving.snapshot = Snapshot()

    page = await bench.get(path(view="default", type="cluster"))

    assert (page["resources"], page["after"]) == ([], None)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"view": "default", "type": "route"}, "type: there is none called 'route'; there are cluster, endpoint"),
        ({"view": "other", "type": "cluster"}, "view: there is none called 'other'; there are default"),
        (
            {"view": "default", "type": "cluster", "limit": "5"},
            "there is no parameter 'limit'; there are view, type, after",
        ),
    ],
)
async def test_wrong_parameters_are_answered_with_the_right_ones(
    bench: Bench, query: dict[str, str], told: str
) -> None:
    bench.serving.snapshot = snapshot({"web": "c"})

    assert await bench.request(path(**query)) == (400, {"error": told})
