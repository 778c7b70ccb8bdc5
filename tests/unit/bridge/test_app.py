"""What the composition root decides itself."""

import json
from pathlib import Path

import pytest

from bridge import plugins
from bridge.app import Bridge
from bridge.config import load
from bridge.model import SourceName
from support.guarded import SCOPE, WEB, entries

DC1, LOCAL = SourceName("dc1"), SourceName("local")


@pytest.fixture
def bridge(tmp_path: Path) -> Bridge:
    path = tmp_path / "bridge.yaml"
    sources = [{"name": name, "type": "file", "path": str(tmp_path / name)} for name in (DC1, LOCAL)]
    path.write_text(json.dumps({"sources": sources}))
    config = load(path, {}, plugins.discover())
    return Bridge(config, lambda: config)


async def test_a_paused_source_does_not_agree_that_something_is_gone(bridge: Bridge) -> None:
    bridge._pauses.pause(DC1, "anna")

    assert not bridge._agrees(DC1)
    assert bridge._agrees(LOCAL)


async def test_a_source_that_was_waited_for_may_have_spoken_while_it_was_paused(bridge: Bridge) -> None:
    bridge._departures.leave(LOCAL, [DC1], None)
    bridge._pauses.pause(DC1, "anna")
    bridge._pauses.sink(DC1).replace(SCOPE, {WEB: entries([1])})
    bridge._pauses.succeeded(DC1, "")
    assert bridge._departures.due([DC1], 0.0) == []

    bridge._pauses.resume(DC1, "anna")

    assert bridge._departures.due([DC1], 0.0) == [LOCAL]
