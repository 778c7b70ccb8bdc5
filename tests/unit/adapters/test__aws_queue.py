import pytest

from adapters._aws import Place
from adapters._aws.queue import assigned, parsed

REAL = "https://sqs.eu-west-1.amazonaws.com/123456789012/xds-bridge"
LOCAL = "http://127.0.0.1:5000/123456789012/xds-bridge"
OWN, FAR = Place("eu-west-1"), Place("eu-central-1")
ROLE = Place("eu-west-1", "arn:aws:iam::123456789012:role/xds-bridge")
OTHER = Place("eu-west-1", "arn:aws:iam::222222222222:role/xds-bridge")


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (REAL, "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", "cn-north-1"),
        ("https://sqs-fips.us-gov-east-1.amazonaws.com/123456789012/q", "us-gov-east-1"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/q", "eu-west-1"),
        ("https://vpce-1a-2b.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q", "eu-west-1"),
        (LOCAL, ""),
    ],
)
def test_a_url_says_account_and_region(url: str, region: str) -> None:
    queue = parsed(url)

    assert (queue.url, queue.account, queue.region) == (url, "123456789012", region)


@pytest.mark.parametrize(
    "url",
    [
        "xds-bridge",
        "arn:aws:sqs:eu-west-1:123456789012:xds-bridge",
        "https://sqs.eu-west-1.amazonaws.com/xds-bridge",
        "https://sqs.eu-west-1.amazonaws.com/123456789012/",
        "https://me@sqs.eu-west-1.amazonaws.com/123456789012/q",
        "ftp://sqs.eu-west-1.amazonaws.com/123456789012/q",
    ],
)
def test_what_is_no_url_of_a_queue_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not the URL of a queue, which is written like https://sqs"):
        parsed(url)


def test_a_queue_that_keeps_order_is_refused() -> None:
    with pytest.raises(ValueError, match="use a standard queue"):
        parsed(f"{REAL}.fifo")


@pytest.mark.parametrize(
    ("url", "places", "place"),
    [
        (REAL, [FAR, OWN], OWN),
        (REAL, [OWN, ROLE], ROLE),
        (REAL, [OTHER, OWN], OWN),
        (LOCAL, [OWN], OWN),
        (LOCAL, [OTHER, FAR], FAR),
    ],
)
def test_a_queue_is_for_the_place_that_it_can_be_of(url: str, places: list[Place], place: Place) -> None:
    queue = parsed(url)

    assert assigned([queue], places) == {place: queue}


@pytest.mark.parametrize(
    ("urls", "places", "message"),
    [
        ([REAL], [FAR], "is in none of the regions that are read: eu-central-1"),
        ([REAL], [OTHER], "is in account 123456789012, which is none of those that are read"),
        ([LOCAL], [OWN, FAR], "names no region, and could be for any of self/eu-central-1, self/eu-west-1"),
        ([REAL, LOCAL], [OWN], "are both for self/eu-west-1, which can have one queue"),
    ],
)
def test_a_queue_that_is_for_no_place_is_refused(urls: list[str], places: list[Place], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        assigned(map(parsed, urls), places)
