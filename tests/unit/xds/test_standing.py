from xds.node import Node
from xds.standing import Presence, Progress, Standing, merged


def standing(
    progress: Progress = Progress.SYNCED,
    *,
    kind: str = "cluster",
    version: str = "1",
    since: float | None = 1.0,
    rejected: str = "",
) -> Standing:
    return Standing(
        type_url=kind, progress=progress, version=version, version_rejected=rejected, rejection=rejected, since=since
    )


def presence(*standings: Standing, node: str = "a", peer: str = "ipv4:10.0.0.1:1") -> Presence:
    return Presence(Node(node), peer, standings)


def test_streams_of_one_connection_are_one_client() -> None:
    clusters, endpoints = standing(kind="cluster"), standing(kind="endpoint")

    assert merged([presence(endpoints), presence(clusters)]) == [presence(clusters, endpoints)]


def test_clients_that_share_an_id_are_told_apart_by_their_connection() -> None:
    one, other = presence(standing()), presence(standing(), peer="ipv4:10.0.0.2:1")

    assert merged([other, one]) == [one, other]


def test_nodes_of_one_connection_are_told_apart_by_their_id() -> None:
    one, other = presence(standing(), node="a"), presence(standing(), node="b")

    assert merged([other, one]) == [one, other]


def test_of_several_streams_of_a_type_the_worst_counts() -> None:
    rejected = standing(Progress.REJECTED, rejected="3", since=9.0)
    streams = [presence(standing(progress)) for progress in (Progress.SYNCED, Progress.BEHIND, Progress.NOT_SENT)]

    (without,) = merged(streams)
    (with_rejection,) = merged([*streams, presence(rejected)])

    assert without.standings[0].progress is Progress.BEHIND
    assert with_rejection.standings[0].progress is Progress.REJECTED
    assert with_rejection.standings[0].rejection == "3"


def test_the_version_is_the_one_that_was_accepted_last() -> None:
    streams = [
        presence(standing(version="old", since=8.0)),
        presence(standing(version="new", since=2.0)),
        presence(standing(Progress.BEHIND, version="", since=1.0)),
        presence(standing(Progress.NOT_SENT, version="", since=None)),
    ]

    (client,) = merged(streams)

    assert (client.standings[0].version, client.standings[0].since) == ("new", 1.0)


def test_a_type_that_was_never_sent_has_no_time() -> None:
    (client,) = merged([presence(standing(Progress.NOT_SENT, version="", since=None))])

    assert client.standings[0].since is None
