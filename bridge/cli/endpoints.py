"""`xds-bridge endpoints`: the endpoints that a running bridge serves, and why one is not healthy."""

import shlex
import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic import BaseModel

from bridge.answer import Page
from bridge.cli import completion, reading
from bridge.cli.convention import DEFAULT_CONFIG, ConfigOption
from bridge.cli.endpoint import Endpoint, Origin
from bridge.cli.reading import AdminOption, Output, OutputOption, SocketOption, shown
from bridge.model import EndpointKey, Health
from bridge.wording import counted, span

EXAMPLE = "xds-bridge endpoints web --health unhealthy"

_COLUMNS = ("service", "endpoint", "health", "weight", "priority", "locality", "reported by", "age", "why")


class _Listed(BaseModel):
    service: str
    endpoint: Endpoint
    why: str


class _Endpoints(BaseModel):
    """What all answers say together."""

    endpoints: tuple[_Listed, ...]
    set_aside: int


class _Page(Page):
    """`/api/v1/endpoints`."""

    endpoints: tuple[_Listed, ...]
    set_aside: int


def endpoints(  # noqa: PLR0913 (an option each)
    service: Annotated[
        str | None,
        typer.Argument(
            metavar="SERVICE", help="Of which service.", show_default="all of them", autocompletion=completion.services
        ),
    ] = None,
    *,
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only what this source reports.", autocompletion=completion.sources),
    ] = None,
    zone: Annotated[str | None, typer.Option(metavar="ZONE", help="Only those in this zone.")] = None,
    health: Annotated[Health | None, typer.Option(help="Only those that are served as this.")] = None,
    output: OutputOption = Output.TABLE,
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the endpoints that a running bridge serves. Health, weight, place, who reports each, why it is not healthy.

    Where what is served differs from what the source reports, both are shown. Exits with 1 when there is no such
    service.
    """
    asked = {"service": service, "source": source, "zone": zone, "health": health.value if health else None}
    query = {name: value for name, value in asked.items() if value is not None}
    pages = reading.read_all(reading.ways(admin, socket, config), "api/v1/endpoints", _Page, query)
    listed = tuple(each for page in pages for each in page.endpoints)
    found = _Endpoints(endpoints=listed, set_aside=pages[-1].set_aside)
    if output is Output.TABLE:
        _print(found.endpoints)
        if found.set_aside:
            more = f"explain {shlex.quote(service)}" if service else "status"
            typer.echo(f"! {counted(found.set_aside, 'entry', 'entries')} cannot be served")
            typer.echo(shown(f"    $ xds-bridge {more}"))
    else:
        typer.echo(reading.text(found, output), nl=False)


def _print(found: Sequence[_Listed]) -> None:
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    if not found:
        typer.echo("there are no such endpoints")
        return
    now = time.time()
    report.table(report.console(sys.stdout), _COLUMNS, [_row(each, now) for each in found])


def _row(listed: _Listed, now: float) -> tuple[str, ...]:
    endpoint = listed.endpoint
    return (
        listed.service,
        str(EndpointKey(endpoint.address, endpoint.port)),
        _both(endpoint.health, endpoint.reported_health, "reported"),
        _both(str(endpoint.weight), str(endpoint.served_weight), "served"),
        str(endpoint.priority),
        "/".join((endpoint.region, endpoint.zone, endpoint.sub_zone)).strip("/"),
        ", ".join(map(_origin, endpoint.origins)),
        _age(endpoint, now),
        listed.why,
    )


def _origin(origin: Origin) -> str:
    standing = "" if origin.standing == "reported" else f", {origin.standing}"
    return f"{origin.source} ({' '.join(filter(None, (origin.scope, origin.instance)))}{standing})"


def _age(endpoint: Endpoint, now: float) -> str:
    """How long it has been served, and how long as it is."""
    if endpoint.since is None:
        return "not served yet"
    changed = endpoint.changed if endpoint.changed and endpoint.changed > endpoint.since else None
    return span(now - endpoint.since) + (f", changed {span(now - changed)} ago" if changed else "")


def _both(one: str, other: str, what: str) -> str:
    return one if one == other else f"{one} ({other} {what})"
