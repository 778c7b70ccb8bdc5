"""Faults of the bridges: killed, ended, frozen, told something else, paused, without room on their disk.

Bridge one lives as long as the soak, since what it uses is measured; whatever ends a process is done to bridge two.
"""

import contextlib
import signal
from collections.abc import Iterator
from functools import partial

from soak.fault import Fault, fault
from soak.script import BRIDGES, SERVICES, registry, way
from soak.stage import ONE, TWO, Stage

BOTH = frozenset(BRIDGES)

CHUNK = 1 << 20


def faults() -> Iterator[Fault]:
    """All of them."""
    two = partial(fault, touches=frozenset({TWO}), blinds=frozenset({"delta"}))
    yield two("bridge two killed", _kill, _start, weight=4)
    yield two("bridge two ended", _terminate, _start, weight=3)
    # An Envoy that goes to the other bridge meanwhile must find no older truth there, so no source is broken then.
    alone = BOTH | {part(service) for service in SERVICES for part in (registry, way)}
    for name, only in ((ONE, "sotw"), (TWO, "delta")):
        blinds = frozenset({only, "either"})
        yield fault(f"{name} frozen", partial(_freeze, name), partial(_thaw, name), touches=alone, blinds=blinds)
        wrong, right = partial(_misconfigure, name), partial(_configure, name)
        yield fault(f"{name} told what is wrong", wrong, right, touches=frozenset({name}))
    yield fault("another template", partial(_template, "2s"), partial(_template, "3s"), touches=BOTH, weight=2)
    yield fault("a source more", partial(_sources, more=True), partial(_sources, more=False), touches=BOTH, weight=2)
    yield fault("Consul paused", _pause, _resume, touches=BOTH, blinds=frozenset({"web"}), weight=2)
    yield fault("disk full", _fill, _clear, touches=frozenset({"disk"}), weight=2)


async def _kill(stage: Stage) -> None:
    await stage.kept()
    stage.away.add(TWO)
    await stage.bridges[TWO].kill()


async def _terminate(stage: Stage) -> None:
    await stage.kept()
    stage.away.add(TWO)
    assert await stage.bridges[TWO].terminate() == 0


async def _start(stage: Stage) -> None:
    await stage.bridges[TWO].start()
    stage.away.discard(TWO)


async def _freeze(name: str, stage: Stage) -> None:
    stage.away.add(name)
    stage.bridges[name].process.send_signal(signal.SIGSTOP)


async def _thaw(name: str, stage: Stage) -> None:
    stage.bridges[name].process.send_signal(signal.SIGCONT)
    stage.away.discard(name)


async def _misconfigure(name: str, stage: Stage) -> None:
    outcome = await stage.bridges[name].reload(sourcse=[])
    assert not outcome["ok"], outcome


async def _configure(name: str, stage: Stage) -> None:
    del stage.bridges[name].settings["sourcse"]
    outcome = await stage.bridges[name].reload()
    assert outcome["ok"], outcome


async def _template(timeout: str, stage: Stage) -> None:
    """Envoy makes each cluster anew beside the old one, and counts its endpoints as having come."""
    for each in stage.subjects.values():
        each.truth.tolerate(SERVICES, 1)
    await _reload(stage, cluster_defaults={"connect_timeout": timeout})


async def _sources(stage: Stage, *, more: bool) -> None:
    """The file twice: whatever goes with the second, the first has it too."""
    again = [{**stage.file.source, "name": "again"}] if more else []
    await _reload(stage, sources=[*stage.sources, *again])


async def _reload(stage: Stage, **changes: object) -> None:
    for name in BRIDGES:
        outcome = await stage.bridges[name].reload(**changes)
        assert outcome["ok"], outcome


async def _pause(stage: Stage) -> None:
    for name in BRIDGES:
        await stage.ask(name, "pause", source="dc1")


async def _resume(stage: Stage) -> None:
    for name in BRIDGES:
        await stage.ask(name, "resume", source="dc1")


async def _fill(stage: Stage) -> None:
    with (stage.state(ONE) / "full").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(CHUNK)):
            pass


async def _clear(stage: Stage) -> None:
    (stage.state(ONE) / "full").unlink()
