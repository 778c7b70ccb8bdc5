"""What a shell completes in a command: names that a running bridge knows; nothing, and no word, when none answers."""

import asyncio
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import typer
from pydantic import BaseModel

from bridge.cli import reading
from bridge.cli.convention import DEFAULT_CONFIG
from bridge.errors import BridgeError

Names = Callable[[typer.Context, str], list[str]]
"""What there is, by the options typed so far, that begins with what is typed of it."""

PATIENCE = 1.0
"""Seconds that somebody who has pressed the key waits for a bridge."""

_HARMLESS = re.compile(r"(?!-)[\w./:@%+=,-]+")
"""What a shell and a terminal take as it stands; whoever registers a service chooses its name."""


class _Named(BaseModel):
    name: str


class _Services(BaseModel):
    services: tuple[_Named, ...]


class _Sources(BaseModel):
    sources: tuple[_Named, ...]


class _Node(BaseModel):
    id: str


class _Stream(BaseModel):
    node: _Node | None


class _Envoys(BaseModel):
    streams: tuple[_Stream, ...]


def services(context: typer.Context, incomplete: str) -> list[str]:
    """Names of services."""
    found = _asked(context, "api/v1/services", _Services)
    return _fitting((each.name for each in found.services) if found else (), incomplete)


def sources(context: typer.Context, incomplete: str) -> list[str]:
    """Names of sources."""
    found = _asked(context, "api/v1/sources", _Sources)
    return _fitting((each.name for each in found.sources) if found else (), incomplete)


def nodes(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of the nodes that are connected."""
    found = _asked(context, "api/v1/envoys", _Envoys)
    return _fitting((each.node.id for each in found.streams if each.node) if found else (), incomplete)


def _asked(context: typer.Context, path: str, model: type[reading.ModelT]) -> reading.ModelT | None:
    """What a bridge answers that is found by the options typed so far; None when there is none."""
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    given = {name: context.params.get(name) for name in ("admin", "socket", "config")}
    admin, socket, config = given["admin"], given["socket"], given["config"]
    try:
        ways = reading.ways(admin, Path(socket) if socket else None, Path(config or DEFAULT_CONFIG))
        hurried = [client.Way(way.place, PATIENCE / len(ways)) for way in ways]
        return asyncio.run(client.read(hurried, path, model))
    except (BridgeError, typer.BadParameter):
        return None


def _fitting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete) and _HARMLESS.fullmatch(name)})
