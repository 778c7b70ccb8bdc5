"""The story of a soak is made of its seed alone, and every step in it makes sense."""

from collections import Counter
from itertools import islice

import pytest

from soak.faults import faults
from soak.play import KINDS, STEPS
from soak.script import AVAILABLE, BRIDGES, FEWEST, MOST, OVERLAP, SERVICES, Step, Verb, registry, script, start

FAULTS = faults()
TRAITS = [fault.trait for fault in FAULTS.values()]


def story(seed: int, steps: int = 3000) -> list[Step]:
    return list(islice(script(seed, TRAITS), steps))


def test_a_seed_is_a_story() -> None:
    assert story(7) == story(7)
    assert story(7) != story(8)


def test_every_fault_and_every_change_comes_again_and_again() -> None:
    told = Counter(step.subject if step.verb is Verb.BREAK else step.verb for step in story(1, 6000))

    assert min(told[name] for name in FAULTS) > 5
    assert min(told[verb] for verb in Verb if verb is not Verb.BREAK) > 50


@pytest.mark.parametrize("seed", range(50))
def test_even_a_short_story_has_faults_of_many_kinds(seed: int) -> None:
    assert len({step.subject for step in story(seed, STEPS) if step.verb is Verb.BREAK}) >= KINDS


@pytest.mark.parametrize("seed", range(5))
def test_faults_that_overlap_touch_nothing_in_common_and_end_before_a_rest(seed: int) -> None:
    broken: set[str] = set()
    for step in story(seed):
        if step.verb is Verb.BREAK:
            assert all(not FAULTS[name].trait.touches & FAULTS[step.subject].trait.touches for name in broken)
            broken.add(step.subject)
        elif step.verb is Verb.HEAL:
            broken.remove(step.subject)

        assert len(broken) <= OVERLAP
        assert step.verb is not Verb.REST or not broken


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_changed_where_it_cannot_be(seed: int) -> None:
    touched: Counter[str] = Counter()
    for step in story(seed):
        if step.verb in (Verb.BREAK, Verb.HEAL):
            for part in FAULTS[step.subject].trait.touches:
                touched[part] += 1 if step.verb is Verb.BREAK else -1
        elif step.verb in (Verb.DRAIN, Verb.UNDRAIN):
            assert not any(touched[bridge] for bridge in BRIDGES)
        elif step.verb is not Verb.REST:
            assert not touched[registry(step.service)]


@pytest.mark.parametrize("seed", range(5))
def test_each_service_always_has_endpoints_that_take_requests(seed: int) -> None:
    up, drained = dict.fromkeys(start(), True), set[str]()
    for step in story(seed):
        match step.verb:
            case Verb.ADD:
                assert step.subject not in up
                up[step.subject] = True
            case Verb.DROP:
                del up[step.subject]
            case Verb.FAIL | Verb.RECOVER:
                assert up[step.subject] is (step.verb is Verb.FAIL)
                up[step.subject] = step.verb is Verb.RECOVER
            case Verb.DRAIN:
                drained.add(step.subject)
            case Verb.UNDRAIN:
                drained.remove(step.subject)

        mine = {service: [name for name in up if name.startswith(f"{service}-")] for service in SERVICES}
        assert drained <= up.keys()
        assert all(FEWEST <= len(names) <= MOST for names in mine.values())
        assert all(sum(up[name] and name not in drained for name in names) >= AVAILABLE for names in mine.values())
