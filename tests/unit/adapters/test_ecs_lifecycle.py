from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ecs.config import StartingHealth, TaskHealth
from adapters.ecs.lifecycle import Phase, health, merged, phase, unknown_values
from adapters.ecs.payload import Task
from bridge.model import Health
from support.ecs import container, task

STATES = ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]


def judged(
    mapped: Task,
    *,
    checked: bool = True,
    task_health: TaskHealth = TaskHealth.CONTAINER,
    starting: StartingHealth = StartingHealth.UNHEALTHY,
) -> Health:
    return health(mapped, mapped.containers[0], checked=checked, task_health=task_health, starting=starting)


def with_health(state: str, **more: object) -> Task:
    return task("t1", "web:1", containers=[container(healthStatus=state)], **more)


@pytest.mark.parametrize(
    ("last", "desired", "expected"),
    [
        ("PROVISIONING", "RUNNING", Phase.STARTING),
        ("PENDING", "RUNNING", Phase.STARTING),
        ("ACTIVATING", "RUNNING", Phase.STARTING),
        ("RUNNING", "RUNNING", Phase.SERVING),
        ("PENDING", "STOPPED", Phase.STARTING),
        ("RUNNING", "STOPPED", Phase.DRAINING),
        ("DEACTIVATING", "STOPPED", Phase.DRAINING),
        ("STOPPING", "STOPPED", Phase.DRAINING),
        ("STOPPING", "RUNNING", Phase.DRAINING),
        ("DEPROVISIONING", "STOPPED", Phase.ENDED),
        ("STOPPED", "STOPPED", Phase.ENDED),
        ("STOPPED", "RUNNING", Phase.ENDED),
        ("HIBERNATING", "RUNNING", Phase.UNCLEAR),
        ("RUNNING", "DREAMING", Phase.UNCLEAR),
    ],
)
def test_phase(last: str, desired: str, expected: Phase) -> None:
    assert phase(task(lastStatus=last, desiredStatus=desired)) is expected


@pytest.mark.parametrize(
    ("state", "checked", "expected"),
    [
        ("HEALTHY", True, Health.HEALTHY),
        ("HEALTHY", False, Health.HEALTHY),
        ("UNKNOWN", False, Health.HEALTHY),
        ("UNKNOWN", True, Health.UNHEALTHY),
        ("UNHEALTHY", True, Health.UNHEALTHY),
        ("", True, Health.UNHEALTHY),
        ("", False, Health.HEALTHY),
    ],
)
def test_health_of_a_running_container(state: str, checked: bool, expected: Health) -> None:
    assert judged(with_health(state), checked=checked) is expected


def test_start_period_can_count_as_healthy() -> None:
    assert judged(with_health("UNKNOWN"), starting=StartingHealth.HEALTHY) is Health.HEALTHY


def test_container_that_is_not_running_is_unhealthy() -> None:
    stopped = task(containers=[container(lastStatus="STOPPED", healthStatus="HEALTHY")])

    assert judged(stopped) is Health.UNHEALTHY


def test_unhealthy_neighbour_counts_on_request_only() -> None:
    sick = with_health("HEALTHY", healthStatus="UNHEALTHY")

    assert judged(sick) is Health.HEALTHY
    assert judged(sick, task_health=TaskHealth.ANY) is Health.UNHEALTHY


@pytest.mark.parametrize("state", ["HEALTHY", "UNHEALTHY", "UNKNOWN"])
@pytest.mark.parametrize("last", ["RUNNING", "DEACTIVATING", "STOPPING"])
def test_task_that_is_to_stop_drains_whatever_its_health(last: str, state: str) -> None:
    assert judged(with_health(state, lastStatus=last, desiredStatus="STOPPED")) is Health.DRAINING


def test_lost_agent_is_no_health_signal() -> None:
    assert judged(with_health("HEALTHY", connectivity="DISCONNECTED")) is Health.HEALTHY
    assert judged(with_health("UNKNOWN", connectivity="DISCONNECTED")) is Health.UNKNOWN


def test_health_that_is_not_told_any_more_stays() -> None:
    known = merged(with_health("HEALTHY"), with_health("UNKNOWN"))

    assert judged(known) is Health.HEALTHY
    assert judged(merged(known, with_health("UNHEALTHY"))) is Health.UNHEALTHY


def test_container_that_was_restarted_has_to_become_healthy_again() -> None:
    before = task(containers=[container(healthStatus="HEALTHY", runtimeId="r1")])
    after = task(containers=[container(healthStatus="UNKNOWN", runtimeId="r2")])

    assert judged(merged(before, after)) is Health.UNHEALTHY


def test_unknown_words_leave_the_state_before() -> None:
    odd = task(lastStatus="PONDERING", desiredStatus="DREAMING", containers=[container(healthStatus="FINE")])

    known = merged(with_health("HEALTHY"), odd)

    assert phase(known) is Phase.SERVING
    assert judged(known) is Health.HEALTHY
    assert unknown_values(odd) == (
        ("lastStatus", "PONDERING"), ("desiredStatus", "DREAMING"), ("healthStatus", "FINE"),
    )  # fmt: skip


def test_older_version_of_a_task_is_ignored() -> None:
    known = task(version=7, desiredStatus="STOPPED")

    assert merged(known, task(version=6)) is known
    assert merged(known, task(version=8, lastStatus="STOPPED")).last_status == "STOPPED"


def test_address_and_ports_stay_when_they_are_not_told_any_more() -> None:
    """A task that stops loses its attachment before its container has finished."""
    bound = [{"containerPort": 8080, "hostPort": 32768}]
    before = task(containers=[container(address="10.0.0.1", bindings=bound)])

    known = merged(before, task(lastStatus="STOPPING", containers=[container()]))

    assert known.containers[0].network_interfaces[0].private_ipv4_address == "10.0.0.1"
    assert known.containers[0].network_bindings[0].host_port == 32768
    assert merged(known, task(containers=[])).containers == known.containers


states = st.builds(
    lambda last, desired, version, healths: task(
        lastStatus=last, desiredStatus=desired, version=version, containers=[container(**healths)]
    ),
    st.sampled_from([*STATES, "NEW"]),
    st.sampled_from(["RUNNING", "STOPPED", "NEW"]),
    st.integers(0, 3),
    st.fixed_dictionaries(
        {"healthStatus": st.sampled_from(["HEALTHY", "UNHEALTHY", "UNKNOWN", "NEW"]),
         "address": st.sampled_from(["", "10.0.0.1"]), "runtimeId": st.sampled_from(["", "a", "b"])}
    ),
)  # fmt: skip


@given(known=states, read=states)
def test_what_is_known_of_a_task_never_goes_back(known: Task, read: Task) -> None:
    after = merged(known, read)

    position: Mapping[str, int] = {state: place for place, state in enumerate(STATES)}
    assert position.get(after.last_status, -1) >= position.get(known.last_status, -1)
    assert not (known.desired_status == "STOPPED" and after.desired_status != "STOPPED")
    assert not (known.containers[0].network_interfaces and not after.containers[0].network_interfaces)
    assert merged(after, read) == after
