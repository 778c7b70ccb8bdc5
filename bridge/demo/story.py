"""The story that checks itself (`--once`): each step is done once and believed only when Envoy shows it."""

import asyncio
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from bridge.demo.consul import CHECK_INTERVAL, ConsulView
from bridge.demo.document import SERVICE, Row, write_endpoints
from bridge.demo.envoy import Hosts, Traffic
from bridge.demo.option import DemoError
from bridge.demo.screen import duration
from bridge.demo.stage import IN_CONSUL, IN_FILE, SPARE, Stage, until

OBSERVED_WITHIN = 15.0
"""Seconds that a change has to reach Envoy before the step has failed; the slowest waits for a health check."""

SAMPLE = 60
"""Requests that must all be answered by others, before a backend counts as one that gets no traffic."""

MEMBERSHIP = rf"^(cluster_manager\.cluster_(added|modified|removed)|cluster\.{SERVICE}\.membership_change)$"
"""Envoy's statistics that a restart of the bridge must not move."""

RECONNECTED_WITHIN = 60.0
"""Seconds that a new bridge has to start, and Envoy to try it: it waits ever longer between its attempts."""

CONNECTION = r"^(control_plane\.connected_state|cluster_manager\.cds\.update_success)$"


async def play(stage: Stage) -> None:
    """Play every step.

    Raises:
        DemoError: a step was not observed in Envoy; the message says what was seen instead.
    """
    teller = _Teller(stage)
    await teller.all_answer()
    await teller.add()
    await teller.remove()
    await teller.fail_and_drain()
    if stage.consul:
        await teller.consul(stage.consul)
    else:
        stage.screen.tell("[yellow]-[/yellow] the steps with Consul are left out: no consul program was found")
    await teller.kill()


@dataclass(frozen=True, slots=True)
class _Teller:
    stage: Stage

    async def all_answer(self) -> None:
        expected = {*IN_FILE, IN_CONSUL} if self.stage.consul else set(IN_FILE)
        took = await self._seen(
            lambda hosts: set(hosts) == {self._address(name) for name in expected}, time.monotonic()
        )
        await self._answers(expected)
        self.stage.screen.done(f"requests through Envoy reach {_listed(expected)}", took)

    async def add(self) -> None:
        address = self._address(SPARE)
        took = await self._seen(lambda hosts: address in hosts, self._write(self.stage.rows(*IN_FILE, SPARE)))
        await self._answers({SPARE})
        self.stage.screen.done(f"{SPARE} is added to the file: it takes traffic", took)

    async def remove(self) -> None:
        gone, *left = (*IN_FILE, SPARE)
        address = self._address(gone)
        took = await self._seen(lambda hosts: address not in hosts, self._write(self.stage.rows(*left)))
        await self._gets_nothing(gone)
        self.stage.screen.done(f"{gone} is removed from the file: it gets no traffic", took)

    async def fail_and_drain(self) -> None:
        _, second, third = IN_FILE
        for health, marked, left in (("unhealthy", second, third), ("draining", third, second)):
            address = self._address(marked)
            rows = [*self.stage.rows(left, SPARE), Row(self.stage.backends[marked].port, health)]
            took = await self._seen(_has(address, health), self._write(rows))
            await self._gets_nothing(marked)
            self.stage.screen.done(f"{marked} is marked {health} in the file: Envoy keeps it, and sends nothing", took)

    async def consul(self, consul: ConsulView) -> None:
        backend = self.stage.backends[IN_CONSUL]
        await self._answers({IN_CONSUL})
        backend.healthy = False
        took = await self._seen(_has(backend.address, "unhealthy"), time.monotonic())
        await self._gets_nothing(IN_CONSUL)
        check = f"of which up to {duration(CHECK_INTERVAL)} for Consul's own check"
        self.stage.screen.done(f"{IN_CONSUL} fails its check in Consul: unhealthy in Envoy ({check})", took)
        started = time.monotonic()
        await consul.deregister(backend)
        took = await self._seen(lambda hosts: backend.address not in hosts, started)
        self.stage.screen.done(f"{IN_CONSUL} is deregistered: gone from Envoy", took)
        backend.healthy = True
        started = time.monotonic()
        await consul.register(backend)
        took = await self._seen(_has(backend.address, "healthy"), started)
        await self._answers({IN_CONSUL})
        self.stage.screen.done(f"{IN_CONSUL} is registered again: it takes traffic", took)

    async def kill(self) -> None:
        before = await self.stage.envoy.statistics(MEMBERSHIP)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            load = group.create_task(self.stage.envoy.load(stop))
            try:
                took = await self._kill_and_restart()
            finally:
                stop.set()
        traffic = load.result()
        after = await self.stage.envoy.statistics(MEMBERSHIP)
        if traffic.failures or before != after or not before:
            raise DemoError(f"the restart was noticed: {_described(traffic)}; {before} before, {after} after")
        requests = traffic.answers.total()
        self.stage.screen.done(f"the bridge is killed and started again: 0 of {requests} requests failed", took)
        everyone = self.stage.rows(*IN_FILE, SPARE)
        addresses = {self._address(name) for name in (*IN_FILE, SPARE)}
        took = await self._seen(lambda hosts: addresses <= set(hosts), self._write(everyone))
        self.stage.screen.done("the file is as it was in the beginning: Envoy follows the new bridge", took)

    async def _kill_and_restart(self) -> float:
        """Seconds from the kill to Envoy's having everything from the new bridge."""
        updates = (await self.stage.envoy.statistics(CONNECTION)).get("cluster_manager.cds.update_success", 0)

        async def disconnected() -> bool:
            return (await self.stage.envoy.statistics(CONNECTION)).get("control_plane.connected_state") == 0

        async def updated() -> bool:
            now = await self.stage.envoy.statistics(CONNECTION)
            connected = now.get("control_plane.connected_state") == 1
            return connected and now.get("cluster_manager.cds.update_success", 0) > updates

        started = time.monotonic()
        await self.stage.process.stop(signal.SIGKILL)
        await until(disconnected, "Envoy did not notice that the bridge was killed")
        await self.stage.process.start()
        await until(updated, "Envoy got nothing from the bridge that was started again", RECONNECTED_WITHIN)
        return time.monotonic() - started

    def _address(self, name: str) -> str:
        return self.stage.backends[name].address

    def _write(self, rows: list[Row]) -> float:
        """Write the file, and say when."""
        write_endpoints(self.stage.directory, rows)
        return time.monotonic()

    async def _seen(self, condition: Callable[[Hosts], bool], since: float) -> float:
        """Wait until Envoy's hosts fulfil a condition, and say how many seconds after `since` they did."""
        hosts: Hosts | None = None
        while time.monotonic() < since + OBSERVED_WITHIN:
            hosts = await self.stage.envoy.hosts(SERVICE)
            if hosts is not None and condition(hosts):
                return time.monotonic() - since
            await asyncio.sleep(0.005)
        raise DemoError(f"not observed within {OBSERVED_WITHIN:g} s; Envoy has {hosts}")

    async def _answers(self, names: Collection[str]) -> None:
        """Send requests until each of these backends has answered one; every request must succeed."""
        heard: set[str] = set()
        started = time.monotonic()
        while not heard >= set(names):
            traffic = await self.stage.envoy.request(10)
            heard |= set(traffic.answers)
            if traffic.failures or time.monotonic() > started + OBSERVED_WITHIN:
                raise DemoError(f"requests do not reach {_listed(set(names) - heard)}: {_described(traffic)}")

    async def _gets_nothing(self, name: str) -> None:
        traffic = await self.stage.envoy.request(SAMPLE)
        if traffic.failures or name in traffic.answers:
            raise DemoError(f"{name} must get no traffic, and every request an answer: {_described(traffic)}")


def _has(address: str, health: str) -> Callable[[Hosts], bool]:
    return lambda hosts: hosts.get(address) == health


def _listed(names: Collection[str]) -> str:
    *others, last = sorted(names) or ["nobody"]
    return f"{', '.join(others)} and {last}" if others else last


def _described(traffic: Traffic) -> str:
    failed = f"{len(traffic.failures)} failed, first with {traffic.failures[0]}" if traffic.failures else "none failed"
    return f"answered by {dict(traffic.answers)}, {failed}"
