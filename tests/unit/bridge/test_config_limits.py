import pytest

from bridge.config import LimitsConfig
from bridge.config.validation import validate
from xds import Limits


def read(**keys: object) -> tuple[LimitsConfig | None, list[str]]:
    """A section, or what is wrong with it."""
    section, problems = validate(LimitsConfig, keys)
    return section, [str(problem) for problem in problems]


def test_every_limit_of_the_server_is_a_key_with_the_same_default() -> None:
    assert Limits(**LimitsConfig().model_dump()) == Limits()


def test_every_limit_can_be_set() -> None:
    numbers: dict[str, object] = {"streams": 1, "streams_per_client": 2, "accept_rate": 3, "request_rate": 4}
    names: dict[str, object] = {"names": 2000, "names_per_client": 1000}
    sizes: dict[str, object] = {"request_size": "5MiB", "in_flight": "6MiB"}
    times: dict[str, object] = {"write_timeout": "7s", "keepalive_interval": "8s", "keepalive_timeout": "9s"}

    section, problems = read(**numbers, **names, **sizes, **times)

    assert problems == []
    assert section
    assert [*section.model_dump().values()] == [1, 2, 3, 4, 2000, 1000, 5 << 20, 6 << 20, 7.0, 8.0, 9.0]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("request_size", 16, "request_size: a size is a whole number and a unit, such as 64KiB"),
        ("request_size", "63KiB", "request_size: '63KiB' should be greater than or equal to 65536"),
        ("request_size", "2GiB", "request_size: '2GiB' should be less than or equal to 1073741824"),
        ("in_flight", "64KiB", "in_flight: '64KiB' should be greater than or equal to 1048576"),
        ("names_per_client", 1, "names_per_client: 1 should be greater than or equal to 1000"),
        ("streams", 0, "streams: 0 should be greater than or equal to 1"),
        ("accept_rate", 0, "accept_rate: 0 should be greater than or equal to 1"),
        ("keepalive_timeout", "10ms", "keepalive_timeout: '10ms' should be greater than or equal to 1"),
        ("keepalive_interval", "600h", "keepalive_interval: '600h' should be less than or equal to 3600"),
        ("keepalive_timeout", "600h", "keepalive_timeout: '600h' should be less than or equal to 3600"),
        ("steams", 1, "steams: unknown key; did you mean 'streams'?"),
    ],
)
def test_what_cannot_work_is_refused(key: str, value: object, problem: str) -> None:
    section, problems = read(**{key: value})

    assert section is None
    assert len(problems) == 1
    assert problem in problems[0]
