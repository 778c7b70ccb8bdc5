import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.state import KnownService, KnownSource, State
from bridge.state.codec import Encoder, decode
from bridge.state.envelope import seal, unseal
from bridge.state.schema import CURRENT
from support.kept_state import DC1, EVERYTHING, RICH, large

SAMPLES = Path(__file__).parent


def encoded(state: State) -> bytes:
    return b"".join(Encoder().encode(state))


def test_a_file_of_schema_version_1_is_read() -> None:
    sample = unseal((SAMPLES / "state-1.json").read_bytes())

    state = CURRENT.read(sample)

    assert sample.version == 1
    assert state == EVERYTHING


def test_the_form_of_a_version_does_not_change() -> None:
    written = b"".join(seal(CURRENT.version, Encoder().encode(EVERYTHING)).parts)

    assert written == (SAMPLES / f"state-{CURRENT.version}.json").read_bytes()


def test_the_order_in_which_things_are_known_does_not_matter() -> None:
    source, silent = EVERYTHING.sources
    batch, web = source.services
    turned = State(
        sources=(
            silent,
            KnownSource(
                DC1, (KnownService(web.scope, web.service, tuple(reversed(web.endpoints))), batch), source.read
            ),
        ),
        holds=EVERYTHING.holds,
        retained=EVERYTHING.retained,
        protocols=EVERYTHING.protocols,
        pauses=tuple(reversed(EVERYTHING.pauses)),
        drains=tuple(reversed(EVERYTHING.drains)),
    )

    assert encoded(turned) == encoded(EVERYTHING)


def test_what_changed_is_encoded_anew_and_the_rest_is_as_before() -> None:
    encoder, before = Encoder(), large(5, 2)
    [source] = before.sources
    changed = KnownService(source.services[2].scope, source.services[2].service)
    services = (*source.services[:2], changed, *source.services[3:])
    after = State(sources=(KnownSource(DC1, services, source.read),))

    first, second, third = (b"".join(encoder.encode(state)) for state in (before, after, before))

    assert (first, second, third) == (encoded(before), encoded(after), encoded(before))


def test_what_did_not_change_is_not_encoded_again() -> None:
    encoder, state = Encoder(), large(5, 2)
    [source] = state.sources
    renewed = dataclasses.replace(source.services[2])
    services = (*source.services[:2], renewed, *source.services[3:])

    first = [part for part in encoder.encode(state) if b"service-" in part]
    second = [part for part in encoder.encode(State(sources=(KnownSource(DC1, services),))) if b"service-" in part]

    assert first == second
    assert [one is other for one, other in zip(first, second, strict=True)] == [True, True, False, True, True]


def test_nothing_of_an_endpoint_is_left_out() -> None:
    rich = dataclasses.fields(RICH)
    source, _ = EVERYTHING.sources

    found = decode(json.loads(encoded(EVERYTHING)))

    assert [field.name for field in rich if getattr(RICH, field.name) == field.default] == []  # nothing to be kept
    assert found.sources[0].services[1].endpoints[0].endpoint == RICH
    assert found.sources[0].read == source.read


def test_parts_are_small() -> None:
    assert max(map(len, Encoder().encode(large(100, 10)))) < 3000


def paths(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document."""
    yield at
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*at, key))


CONTENT = json.loads(encoded(EVERYTHING))


@pytest.mark.parametrize("path", [path for path in paths(CONTENT) if path], ids=lambda path: ".".join(map(str, path)))
def test_a_value_that_was_never_written_is_found_wherever_it_is(path: tuple[str | int, ...]) -> None:
    wrongs: tuple[object, ...] = (True, [[]], {"more": 1}, -1)
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"."):
            decode(replaced(path, wrong))


ENDPOINT = ("sources", 0, "services", 1, "endpoints", 0)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ((*ENDPOINT, 0), "web.local"),
        ((*ENDPOINT, 0), "fd00:0::7"),
        ((*ENDPOINT, 1), 0),
        ((*ENDPOINT, 1), 65536),
        ((*ENDPOINT, 1), 80.0),
        ((*ENDPOINT, 2), "well"),
        ((*ENDPOINT, 3), 129),
        ((*ENDPOINT, 4, 0), "\n"),
        ((*ENDPOINT, 5, 0, 0), "wxyz"),
        ((*ENDPOINT, 5, 0), ["stage", "prod", ""]),
        ((*ENDPOINT, 7), "http3"),
        ((*ENDPOINT, 9), "more"),
        (("sources", 0, "services", 1, "service"), ""),
        (("sources", 0, "more"), 1),
        (("holds", 0, "endpoint", 0), "web.local"),
        (("retained", 0, "service"), "\0"),
        (("protocols", 0, "protocol"), "http3"),
        (("drains", 0, "target"), ""),
        (("drains", 1, "target", 1), 0),
        (("more",), []),
    ],
)
def test_a_value_of_the_right_type_may_be_impossible_too(path: tuple[str | int, ...], wrong: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(replaced(path, wrong))


def replaced(path: tuple[str | int, ...], value: object) -> object:
    """The content of a file, with another value at one place."""
    content = json.loads(encoded(EVERYTHING))
    owner = content
    for step in path[:-1]:
        owner = owner[step]
    if isinstance(owner, list) and path[-1] == len(owner):
        owner.append(value)
    else:
        owner[path[-1]] = value
    return content


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(State)])
def test_a_part_that_is_missing_is_found(name: str) -> None:
    content = json.loads(encoded(EVERYTHING))
    del content[name]

    with pytest.raises(ValueError, match="is no state"):
        decode(content)
