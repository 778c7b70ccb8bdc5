"""The REST server over real HTTP on loopback."""

import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
import pytest

from bridge.config import Address
from bridge.resources import ResourceBuilder
from bridge.rest import RestOptions, RestServer
from bridge.rest.server import STATUS
from support.builders import appeared, changed, endpoint, service
from support.stream_recorder import StreamRecorder
from xds import CLUSTER, ENDPOINT, Client, Reason, Refused, Snapshot, SnapshotCache

ANYWHERE = Address("127.0.0.1", 0)
LARGEST_REQUEST = RestOptions(listen=ANYWHERE).largest_request
CLUSTERS, ENDPOINTS = "/v3/discovery:clusters", "/v3/discovery:endpoints"
BUILDER = ResourceBuilder({"connect_timeout": "1s"}, [])
CONTENT = BUILDER.apply(Snapshot(), appeared(service("web", [endpoint("10.0.0.1")]), service("api")))


@dataclass(frozen=True)
class Answer:
    status: int
    text: str

    @property
    def document(self) -> Mapping[str, object]:
        document = json.loads(self.text)
        assert isinstance(document, dict)
        return document

    @property
    def names(self) -> list[str]:
        """Names of the resources, of either type."""
        resources = self.document["resources"]
        assert isinstance(resources, list)
        return [resource.get("name") or resource["cluster_name"] for resource in resources]


class Views(SnapshotCache):
    """Remembers who asked, and shows nothing to a stranger."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[Client] = []

    def view(self, client: Client) -> SnapshotCache:
        self.clients.append(client)
        if client.node.id == "stranger":
            raise Refused(Reason.NO_VIEW, "nothing is for you")
        return self


@pytest.fixture
def views() -> Views:
    return Views()


@pytest.fixture
def recorder() -> StreamRecorder:
    return StreamRecorder()


@pytest.fixture
async def url(views: Views, recorder: StreamRecorder) -> AsyncIterator[str]:
    server = RestServer(RestOptions(listen=ANYWHERE), views, recorder)
    port = await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop()


async def post(url: str, request: object, headers: Mapping[str, str] | None = None) -> Answer:
    data = io.BytesIO(request if isinstance(request, bytes) else json.dumps(request).encode())
    async with aiohttp.ClientSession() as session, session.post(url, data=data, headers=headers) as response:
        return Answer(response.status, await response.text())


async def test_clusters_without_names_are_all_clusters(url: str, views: Views) -> None:
    views.set(CONTENT)

    answer = await post(url + CLUSTERS, {"node": {"id": "edge-1"}})

    assert answer.status == 200
    assert answer.document["version_info"] == CONTENT.version(CLUSTER.url)
    assert answer.document["type_url"] == CLUSTER.url
    assert answer.document["resources"] == [
        {
            "@type": CLUSTER.url,
            "name": name,
            "type": "EDS",
            "eds_cluster_config": {"eds_config": {"ads": {}, "resource_api_version": "V3"}},
            "connect_timeout": "1s",
        }
        for name in ("api", "web")
    ]


async def test_named_endpoints_are_these_and_an_empty_one_for_an_unknown_name(url: str, views: Views) -> None:
    views.set(CONTENT)

    answer = await post(url + ENDPOINTS, {"resource_names": ["web", "nobody"]})

    assert answer.names == ["nobody", "web"]
    assert '"address":"10.0.0.1","port_value":8080' in answer.text


async def test_what_has_not_changed_is_not_sent_again(url: str, views: Views, recorder: StreamRecorder) -> None:
    views.set(CONTENT)
    first = await post(url + ENDPOINTS, {"resource_names": ["web"]})
    again = {"resource_names": ["web"], "version_info": first.document["version_info"]}

    unchanged = await post(url + ENDPOINTS, again)
    views.set(BUILDER.apply(CONTENT, changed(service("web", [endpoint("10.0.0.2")]))))
    after = await post(url + ENDPOINTS, again)

    assert (unchanged.status, unchanged.text) == (304, "")
    assert (after.status, after.names) == (200, ["web"])
    assert "10.0.0.2" in after.text
    assert recorder.of("fetched") == [(ENDPOINT.url, False), (ENDPOINT.url, True), (ENDPOINT.url, False)]


async def test_either_spelling_of_fields_is_read_and_unknown_ones_are_ignored(url: str, views: Views) -> None:
    views.set(CONTENT)

    answer = await post(
        url + ENDPOINTS,
        {"resourceNames": ["web"], "typeUrl": ENDPOINT.url, "node": {"id": "a", "userAgentName": "envoy"}, "new": {}},
    )

    assert answer.names == ["web"]


async def test_null_stands_for_the_default(url: str, views: Views) -> None:
    views.set(CONTENT)

    answer = await post(url + CLUSTERS, {"node": {"id": None, "locality": None}, "resource_names": None})

    assert answer.names == ["api", "web"]


async def test_the_view_is_chosen_by_the_node_and_its_address(url: str, views: Views) -> None:
    views.set(CONTENT)

    await post(
        url + CLUSTERS,
        {
            "node": {
                "id": "edge-1",
                "cluster": "edge",
                "locality": {"region": "eu", "sub_zone": "1"},
                "metadata": {"tier": 1, "canary": True, "list": []},
            }
        },
    )

    (client,) = views.clients
    assert (client.node.id, client.node.cluster, client.node.locality.region) == ("edge-1", "edge", "eu")
    assert client.node.metadata == (("canary", "true"), ("tier", "1"))
    assert client.peer.startswith("ipv4:127.0.0.1:")
    assert client.names == ()


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (b"", "JSON"),
        (b"\xff", "JSON"),
        (b"[]", "the body: "),
        ({"node": {"id": 1}}, "node.id: "),
        ({"resource_names": "web"}, "resource_names: "),
        ({"resourceNames": ["web", 1]}, "resourceNames.1: "),
        ({"type_url": ENDPOINT.url}, "this method serves"),
    ],
    ids=["nothing", "no text", "no object", "no id", "no list", "no name", "another type"],
)
async def test_a_request_that_is_none_is_told_why(
    url: str, views: Views, request_: object, reason: str, recorder: StreamRecorder
) -> None:
    views.set(CONTENT)

    answer = await post(url + CLUSTERS, request_)

    assert answer.status == 400
    assert reason in answer.text
    assert len(answer.text.splitlines()) == 1
    assert [reason for reason, _message in recorder.of("refused")] == [Reason.INVALID_REQUEST]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([f"n{number}" for number in range(100_001)], "more than 100000 names"),
        (["n" * 1025], "more than 1024 characters"),
        ([f"n{number}" for number in range(1001)], "more than 1000 resources that do not exist"),
    ],
    ids=["many", "long", "unknown"],
)
async def test_what_a_stream_may_not_ask_for_is_refused(
    url: str, views: Views, names: list[str], problem: str, recorder: StreamRecorder
) -> None:
    views.set(CONTENT)

    answer = await post(url + ENDPOINTS, {"resource_names": names})

    assert answer.status == 400
    assert problem in answer.text
    assert [reason for reason, _message in recorder.of("refused")] == [Reason.EXCESSIVE_REQUEST]


@pytest.mark.parametrize("node", [{"id": "n" * 1025}, {"locality": {"zone": "n" * 1025}}])
async def test_a_node_that_says_too_much_of_itself_is_refused(url: str, views: Views, node: object) -> None:
    answer = await post(url + CLUSTERS, {"node": node})

    assert (answer.status, views.clients) == (400, [])
    assert "at most 1024 characters" in answer.text


async def test_before_there_is_something_to_serve_it_is_unavailable(url: str) -> None:
    answer = await post(url + CLUSTERS, {})

    assert (answer.status, answer.text) == (503, "there is nothing to serve yet; ask again in a moment\n")


async def test_who_has_no_view_is_refused(url: str, recorder: StreamRecorder) -> None:
    answer = await post(url + CLUSTERS, {"node": {"id": "stranger"}})

    assert (answer.status, answer.text) == (403, "nothing is for you\n")
    assert recorder.of("refused") == [(Reason.NO_VIEW, "nothing is for you")]


async def test_a_web_page_is_refused(url: str, views: Views) -> None:
    views.set(CONTENT)

    answer = await post(url + CLUSTERS, {}, headers={"Origin": "http://evil.example.com"})

    assert answer.status == 403
    assert views.clients == []


async def test_a_request_that_is_too_large_is_refused(url: str, recorder: StreamRecorder) -> None:
    answer = await post(url + CLUSTERS, b" " * (LARGEST_REQUEST + 1))

    assert (answer.status, answer.text) == (413, f"the request is larger than {LARGEST_REQUEST} bytes\n")
    assert [reason for reason, _message in recorder.of("refused")] == [Reason.REQUEST_SIZE]


async def test_nothing_else_is_there(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url + CLUSTERS) as response:
        assert response.status == 405

    assert (await post(url + "/v3/discovery:listeners", {})).status == 404


async def test_a_port_in_use_is_an_error_that_says_which(url: str) -> None:
    port = int(url.rpartition(":")[2])
    second = RestServer(RestOptions(listen=Address("127.0.0.1", port)), SnapshotCache(), StreamRecorder())

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port} for xDS over REST"):
        await second.start()


def test_every_reason_has_a_status() -> None:
    assert STATUS.keys() == set(Reason)
