"""The soak: faults and ordinary changes at random, for minutes in `make test` and for hours with `make soak HOURS=n`.

Consul (which keeps its data), a file and ECS (moto) tell two bridges of endpoints; three Envoys follow these and carry
load. A script made from a seed says what happens, step by step, so a seed tells the same story again whatever the
machine's speed. `make test` always uses the same seed, so that a change is not blamed for what a new story finds;
`make soak` draws a new one, unless it is given one (`make soak SEED=7`).

At every moment: no request fails, and each Envoy has every endpoint that is alive, registered and once arrived, no
other, and never takes one out and in again. After every change and every healing, whoever can hear of it follows.
When all is healed, the bridges have no bug to report, and bridge one, which is never ended, uses no more than before.

| file | what lives in it |
|---|---|
| `script.py` | the story, made from the seed |
| `truth.py` | what an Envoy must have, and may have |
| `stage.py`, `subject.py`, `registries.py` | everything that runs, and what is true of it |
| `fault.py`, `faults.py` | what a fault is, and all of them: `broken_sources.py`, `broken_bridges.py`, `clients.py` |
| `play.py` | the story, played |
| `resources.py` | what the bridge uses, and whether that grows |
"""

import os
import random
from pathlib import Path

import pytest

from soak.play import KINDS, Play
from soak.resources import leaks, table
from soak.stage import stage

SEED = 20261127
"""Of every run that is not given another."""

SHORT = 270.0
"""Seconds after which `make test` begins nothing new, unless too few faults were played: five minutes with the start
and the end."""

hours = float(os.environ.get("SOAK_HOURS") or 0)
seconds = hours * 3600 or SHORT

# A step that gets nowhere fails by itself; setting up, healing and looking take their time beside that.
pytestmark = pytest.mark.timeout(seconds + 900)


async def test_faults_and_changes_at_random_cost_no_request_and_no_endpoint(tmp_path: Path) -> None:
    seed = int(os.environ.get("SOAK_SEED") or (random.randrange(1 << 32) if hours else SEED))
    print(f"seed {seed}, {seconds:.0f} s")
    async with stage(tmp_path) as running:
        play = Play(running, seed)
        try:
            await play.until(seconds)
        except BaseException as error:
            error.add_note(play.state())
            print(play.logs())
            raise

        print(play.summary())
        print(table(play.samples))
        assert len(play.faults) >= KINDS, "a story in which too little goes wrong"
        assert leaks(play.samples) == []
