from xds import CLUSTER, ENDPOINT, Resource
from xds.stream import Acceptances, acceptance


def contents(version: str) -> dict[str, Resource]:
    return {"a": Resource("a", b"", version)}


def test_what_was_accepted_is_found_by_type_and_version() -> None:
    acceptances = Acceptances()

    acceptances.add(CLUSTER.url, "v1", contents("1"))
    acceptances.add(CLUSTER.url, "v2", contents("2"))

    assert acceptances.find(CLUSTER.url, "v1") == contents("1")
    assert acceptances.find(CLUSTER.url, "v2") == contents("2")
    assert acceptances.find(CLUSTER.url, "v3") is None
    assert acceptances.find(ENDPOINT.url, "v1") is None


def test_the_longest_not_accepted_are_forgotten() -> None:
    acceptances = Acceptances()
    acceptances.add(CLUSTER.url, "again", contents("1"))
    acceptances.add(CLUSTER.url, "once", contents("1"))

    for number in range(acceptance._REMEMBERED - 1):
        acceptances.add(CLUSTER.url, "again", contents("1"))
        acceptances.add(CLUSTER.url, f"v{number}", contents("1"))

    assert acceptances.find(CLUSTER.url, "again") is not None
    assert acceptances.find(CLUSTER.url, "once") is None
