import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from bridge.adapter import AdapterConfig
from bridge.errors import ConfigError
from bridge.plugins import GROUP, Plugins, discover

SOURCE = """
from bridge.adapter import AdapterConfig

class Good:
    class Config(AdapterConfig):
        path: str = ""
    def __init__(self, config): ...
    async def run(self, context): ...

class WithoutConfig:
    async def run(self, context): ...

class ForeignConfig(Good):
    class Config: ...

class TakenKeys(Good):
    class Config(AdapterConfig):
        name: str = ""
        required: int = 0

class WithoutRun:
    Config = Good.Config

class FixedPermissions(Good):
    permissions = ()

class BlockingRun(Good):
    def run(self, context): ...

instance = Good(Good.Config())
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "stranger.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "crashing.py").write_text("1 / 0", encoding="utf-8")
    (tmp_path / "lacking.py").write_text("import no_such_library", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("stranger", "crashing", "lacking"):
        sys.modules.pop(name, None)


def point(value: str, name: str = "disk") -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def refusal(value: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _ = Plugins([point(value)])["disk"]
    return str(caught.value)


def test_ours_are_found_like_anybody_elses() -> None:
    assert {"consul", "file"} <= set(discover())


@pytest.mark.parametrize("name", list(discover()))
def test_every_installed_adapter_can_be_used(name: str) -> None:
    adapter = discover()[name]

    assert issubclass(adapter.Config, AdapterConfig)


def test_an_adapter_is_imported_when_it_is_asked_for() -> None:
    plugins = Plugins([point("stranger:Good"), point("crashing:Adapter", name="other")])

    assert list(plugins) == ["disk", "other"]
    assert "disk" in plugins
    assert "dsk" not in plugins
    assert "stranger" not in sys.modules
    assert plugins["disk"].Config(path="/x").model_dump() == {"path": "/x"}  # type: ignore[call-arg]  # a Config of its own


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("absent:Adapter", "cannot be imported: No module named 'absent'"),
        ("lacking:Adapter", "cannot be imported: No module named 'no_such_library'"),
        ("crashing:Adapter", "cannot be imported: ZeroDivisionError('division by zero')"),
        ("stranger:Absent", "cannot be imported: module 'stranger' has no attribute 'Absent'"),
        ("stranger:WithoutConfig", "is no adapter: it has no `Config` made from AdapterConfig"),
        ("stranger:ForeignConfig", "is no adapter: it has no `Config` made from AdapterConfig"),
        ("stranger:TakenKeys", "is no adapter: its `Config` uses keys that every source has: name, required"),
        ("stranger:WithoutRun", "is no adapter: it has no `async def run(self, context)`"),
        ("stranger:BlockingRun", "is no adapter: it has no `async def run(self, context)`"),
        ("stranger:FixedPermissions", "is no adapter: its `permissions` cannot be called"),
        ("stranger:instance", "is no adapter: it is no class"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_named(value: str, reason: str) -> None:
    message = refusal(value)

    assert message == f"adapter type 'disk' of {value} {reason}"


def test_one_type_offered_by_two_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'disk' is offered twice: stranger:Good and stranger:Other"):
        Plugins([point("stranger:Good"), point("stranger:Other")])


def test_one_distribution_seen_twice_is_one() -> None:
    plugins = Plugins([point("stranger:Good"), point("stranger:Good")])

    assert list(plugins) == ["disk"]


def test_an_unknown_type_is_a_missing_key() -> None:
    with pytest.raises(KeyError):
        _ = Plugins([])["disk"]
