"""What the commands have in common that ask a running bridge: how they find it, and how they print what it answers."""

import asyncio
import json
import os
import shlex
from collections.abc import Coroutine, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Never, TypeVar
from urllib.parse import urlsplit

import typer
from pydantic import BaseModel

from bridge.answer import PageT
from bridge.cli.bootstrap import Output as Format
from bridge.cli.bootstrap import write
from bridge.cli.convention import DEFAULT_CONFIG, EXIT_FAILED, EXIT_FINDING
from bridge.config import Address, AdminConfig, load_admin
from bridge.errors import BridgeError, ConfigError
from bridge.wording import printable

if TYPE_CHECKING:
    from bridge.cli.client import Way

DEFAULT_SOCKET = Path("/run/xds-bridge/admin.sock")

_OFFLINE = frozenset({"check", "iam-policy"})
"""Commands that read the configuration and ask no bridge."""

_CHANGING = frozenset({"pause", "resume", "drain", "undrain", "reload"})

ModelT = TypeVar("ModelT", bound=BaseModel)
AnswerT = TypeVar("AnswerT")

SocketOption = Annotated[
    Path | None,
    typer.Option(
        "--socket",
        envvar="XDS_BRIDGE_SOCKET",
        metavar="PATH",
        help="The bridge's socket for operators.",
        show_default=f"admin.socket, else {DEFAULT_SOCKET}",
    ),
]
AdminOption = Annotated[
    str | None,
    typer.Option(
        "--admin", metavar="URL", help="Ask this admin server, such as http://127.0.0.1:19000, and no socket."
    ),
]


class Output(StrEnum):
    """How a list is written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to write it.")]


def settings(socket: Path | None, config: Path) -> AdminConfig:
    """The section `admin`; nothing is looked up that was named, and a file that nobody named need not be readable."""
    if socket is not None or (config == DEFAULT_CONFIG and not os.access(config, os.R_OK)):
        return AdminConfig()
    try:
        return load_admin(config, os.environ)
    except ConfigError as error:
        raise ConfigError(f"{error}\n--socket names the bridge's socket without this file") from error


def place(named: Path | None, section: AdminConfig) -> Path:
    """Where the socket is."""
    return named or section.socket or DEFAULT_SOCKET


def ways(admin: str | None, socket: Path | None, config: Path) -> "Sequence[Way]":
    """How to reach a bridge to read from it: what was named alone, else its socket and then its admin server."""
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    if admin is not None:
        check_url(admin, "--admin")
    if named := admin or socket:
        return [client.Way(named)]  # and no other: that could be another bridge
    section = settings(socket, config)
    return [client.Way(place(socket, section)), client.Way(_url(section.listen))]


def check_url(url: str, option: str) -> None:
    """Take nothing for the URL of an admin server that is none: wrong usage of an option."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, or a port that is none
        good = False
    if not good:
        raise typer.BadParameter(f"{url!r} is no URL; write one such as http://127.0.0.1:19000", param_hint=option)


def read(ways: "Sequence[Way]", path: str, model: type[ModelT]) -> ModelT:
    """What a bridge answers; the command ends when there is none, or it does not answer that."""
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    return answered(client.read(ways, path, model))


def read_all(
    ways: "Sequence[Way]", path: str, model: type[PageT], query: Mapping[str, str] | None = None
) -> Sequence[PageT]:
    """What a bridge answers page by page; the command ends as in `read`."""
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    return answered(client.pages(ways, path, model, query))


def answered(asking: Coroutine[None, None, AnswerT]) -> AnswerT:
    """What a bridge answers; the command ends when it does not: with a finding, when what it is asked about is not."""
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    try:
        return asyncio.run(asking)
    except (client.NotThereError, client.WrongQueryError) as error:
        fail(str(error), EXIT_FINDING)
    except BridgeError as error:
        fail(str(error))


def again(command: str, admin: str | None, socket: Path | None, config: Path) -> str:
    """A command that the bridge says to type, with what was typed to find this bridge."""
    return " && ".join(_again(each, admin, socket, config) for each in command.split(" && "))


def _again(command: str, admin: str | None, socket: Path | None, config: Path) -> str:
    verb = command.split()[1]
    reads = verb not in _CHANGING and "guard release" not in command
    if socket is not None and verb not in _OFFLINE:
        return f"{command} --socket {shlex.quote(str(socket))}"
    if admin is not None and verb not in _OFFLINE and reads:
        return f"{command} --admin {shlex.quote(admin)}"
    return command if config == DEFAULT_CONFIG else f"{command} --config {shlex.quote(str(config))}"


def text(found: BaseModel, output: Output) -> str:
    """An answer as JSON or YAML."""
    return write(found.model_dump(mode="json"), Format.JSON if output is Output.JSON else Format.YAML)


def one_of_many(document: dict[str, object], output: Output) -> str:
    """A document among others, of which nobody knows how many come: a line of JSON, or YAML after its mark."""
    if output is Output.JSON:
        line = json.dumps(document, ensure_ascii=False)
        return (line if line.isprintable() else json.dumps(document)) + "\n"
    return "---\n" + write(document, Format.YAML)


def shown(text: str) -> str:
    """What a bridge said, with nothing in it that could move the cursor."""
    return "\n".join(map(printable, text.splitlines()))


def fail(message: str, code: int = EXIT_FAILED) -> Never:
    """End the command: the operation failed, unless the exit code says something else."""
    typer.echo(shown(message), err=True)
    raise typer.Exit(code)


def _url(listen: Address) -> str:
    """The admin server as this machine reaches it."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (to find it, not to listen there)
    return f"http://{Address(anywhere.get(listen.host, listen.host), listen.port)}"
