from dataclasses import replace

from bridge.notify import Condition

FINE = Condition(
    waiting=(), sources=3, failing=(), endpoints=212, services=41, streams=37, held=0, paused=False, refused=""
)


def test_a_good_day_is_numbers() -> None:
    assert str(FINE) == "answering Envoys; 3 of 3 sources fresh; 212 endpoints in 41 services; 37 streams"


def test_what_a_person_should_know_comes_before_the_numbers() -> None:
    troubled = replace(FINE, failing=("dc1", "vms"), held=12, paused=True, refused="bridge.yaml:2:3: no")

    assert str(troubled) == (
        "answering Envoys; the last reload was refused (bridge.yaml:2:3: no); paused by an operator; "
        "12 endpoints held by the guard; cannot read dc1, vms; "
        "1 of 3 sources fresh; 212 endpoints in 41 services; 37 streams"
    )


def test_who_is_waited_for_is_named() -> None:
    assert str(replace(FINE, waiting=("dc1",))).startswith("waiting for dc1; no Envoy is answered; ")


def test_one_of_something_is_singular() -> None:
    assert str(replace(FINE, endpoints=1, services=1, streams=1)).endswith("; 1 endpoint in 1 service; 1 stream")
