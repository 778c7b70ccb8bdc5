"""The command line `xds-bridge`.

A command imports what it needs when it runs: `--help`, `schema` and a refused configuration should not wait for gRPC,
for Envoy's messages and for an HTTP server, which together take most of a second to import.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Never

import typer

from bridge import installation, log, plugins
from bridge.cli import bootstrap as form
from bridge.cli import (
    diff,
    endpoints,
    envoys,
    events,
    explain,
    fetch,
    hand,
    render,
    services,
    sources,
    status,
    whereabouts,
)
from bridge.cli.convention import (
    DEFAULT_CONFIG,
    EXIT_CONFIG,
    EXIT_CRASHED,
    EXIT_FAILED,
    EXIT_FINDING,
    ConfigOption,
    TimeoutOption,
    duration,
    leave,
    only_errors,
)
from bridge.config import Config, build_adapters, json_schema, load
from bridge.errors import ConfigError
from bridge.model import Locality

logger = logging.getLogger(__name__)

app = typer.Typer(
    help="A control plane for Envoy without Kubernetes.",
    epilog="Example: xds-bridge check --config bridge.yaml && xds-bridge run --config bridge.yaml",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its panels leave a third of a narrow terminal for what an option means
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

for verb in (hand.pause, hand.resume, hand.drain, hand.undrain, hand.reload):
    app.command(epilog=f"Example: {hand.EXAMPLES[verb.__name__]}")(verb)
app.add_typer(hand.guard, name="guard")
app.command(epilog="Example: xds-bridge status -o json")(status.status)
app.command(epilog=f"Example: {sources.EXAMPLE}")(sources.sources)
app.command(epilog=f"Example: {services.EXAMPLE}")(services.services)
app.command(epilog=f"Example: {endpoints.EXAMPLE}")(endpoints.endpoints)
app.command(epilog=f"Example: {envoys.EXAMPLE}")(envoys.envoys)
app.command(epilog=f"Example: {events.EXAMPLE}")(events.events)
app.command(epilog=f"Example: {render.EXAMPLE}")(render.render)
app.command(epilog=f"Example: {diff.EXAMPLE}")(diff.diff)
app.command(epilog=f"Example: {fetch.EXAMPLE}")(fetch.fetch)
app.command(epilog=f"Example: {explain.EXAMPLE}")(explain.explain)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 fine, 1 a finding or a port in use, 2 usage, 3 it failed, 70 a bug, 78 bad config.

    Args:
        arguments: those after the command's name; those of the process when None.
    """
    try:
        installation.verify()
        app(arguments, prog_name="xds-bridge")
    except ConfigError as error:
        _refuse(str(error), EXIT_CONFIG)


@app.command(epilog="Example: xds-bridge run --config bridge.yaml")
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the bridge in the foreground until SIGTERM or SIGINT. SIGHUP has it read its configuration again.

    Exits with 1 when a port is in use, 78 when the configuration is wrong, and 70 after a bug in the bridge, which is
    logged as bridge.crashed.
    """
    with _held(signal.SIGHUP):
        _serve(config)


@app.command(epilog="Example: xds-bridge demo --once")
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Play a story that checks itself, and end.")] = False,
    directory: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep files and logs here, not in a temporary directory.")
    ] = None,
    envoy: Annotated[Path | None, typer.Option(metavar="PATH", help="The Envoy to run.")] = None,
    consul: Annotated[Path | None, typer.Option(metavar="PATH", help="The Consul to run.")] = None,
) -> None:
    """Run everything on this machine, with a real Envoy. It starts backends, sources and the bridge; Ctrl-C ends it."""
    from bridge import demo as demonstration  # noqa: PLC0415 (see the top of this file)

    options = demonstration.DemoOptions(directory=directory, envoy=envoy, consul=consul, once=once)
    try:
        raise typer.Exit(asyncio.run(demonstration.run(options)))
    except demonstration.DemoError as error:
        _refuse(str(error), EXIT_FAILED)


@app.command(epilog="Example: xds-bridge check --config bridge.yaml --live")
def check(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    live: Annotated[bool, typer.Option("--live", help="Read each source once, without serving anything.")] = False,
    timeout: TimeoutOption = "30s",
) -> None:
    """Check the configuration, and print what it says. With --live, what each source answers and what that costs.

    Exits with 78 when the configuration is wrong, and with 1 when a source cannot be read, is not read completely in
    time, or has no endpoint although it does not say `allow_empty: true`. Entries that are set aside are shown with
    their reasons and fail nothing: they are for the owner of the service to mend.
    """
    deadline = duration(timeout, "--timeout")
    settings = _load(config)

    from bridge.cli import live as reading  # noqa: PLC0415 (see the top of this file)
    from bridge.cli import report  # noqa: PLC0415

    adapters = build_adapters(settings.sources)
    expires = _certificate_expires(settings)
    console = report.console(sys.stdout)
    report.configuration(console, str(config), settings)
    report.encryption(console, settings.xds, expires)
    if not live:
        return
    only_errors()
    with asyncio.Runner() as runner:
        readings = runner.run(reading.read_once(settings.sources, adapters, deadline))
        for each in readings:
            report.reading(console, each)
        report.polling(console, readings)
        report.unmatched(console, settings, readings)
        # Before the runner is closed, as in `run`: that waits for threads, and Python for more; a call may hang.
        leave(EXIT_FINDING if any(each.findings for each in readings) else 0)


@app.command(epilog="Example: xds-bridge schema > bridge.schema.json")
def schema() -> None:
    """Print the JSON Schema of the configuration file. It has the keys of every installed adapter."""
    typer.echo(json.dumps(json_schema(plugins.discover()), indent=2))


@app.command(epilog="Example: xds-bridge iam-policy --config bridge.yaml > policy.json")
def iam_policy(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    role: Annotated[str, typer.Option(metavar="ARN", help="The role that the bridge runs as: makes ARNs exact.")] = "",
    identity: Annotated[
        str, typer.Option("--for", metavar="ARN", help="A role that the bridge assumes, in place of its own.")
    ] = "bridge",
    trust: Annotated[bool, typer.Option("--trust", help="Who may assume that role; needs --role.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All documents in one object, by identity.")] = False,
) -> None:
    """Print the least that IAM has to allow. A policy for this configuration, to attach to the bridge's role.

    Sources with `assume_role` read under other roles: the bridge's own policy then allows to assume them, and each
    has a policy of its own (--for ARN) and a trust policy (--for ARN --trust). Exits with 1 when no source is in AWS.
    """
    if everything and (trust or identity != "bridge"):
        raise typer.BadParameter("--all prints everything; leave --for and --trust out")
    settings = _load(config)

    from bridge.cli import policy  # noqa: PLC0415 (see the top of this file)

    try:
        needed = policy.policies(settings.sources, role)
        if needed is None:
            _refuse(f"no source of {config} is in AWS, so there is nothing that IAM has to allow", EXIT_FINDING)
        document = needed.everything() if everything else (needed.trust if trust else needed.policy)(identity)
        notes = () if everything or trust else needed.notes(identity)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(policy.write(document))
    for note in notes:
        typer.echo(f"note: {note}", err=True)


@app.command(
    epilog="Example: xds-bridge bootstrap --node-id web-1 --cluster web --bridge 10.0.0.5:18000 --route /api=api "
    "--tcp 127.0.0.1:6379=redis > envoy.yaml"
)
def bootstrap(  # noqa: PLR0913 (an option each)
    *,
    cluster: Annotated[str, typer.Option(help="What this Envoy is for; Envoys of one kind share it.")],
    node_id: form.NodeId = "",
    from_imds: form.FromImds = False,
    from_ecs_metadata: form.FromEcsMetadata = False,
    bridge: form.Bridges = None,
    listen: form.Listeners = None,
    grpc: form.GrpcListeners = None,
    listen_certificate: form.ListenCertificate = "",
    listen_key: form.ListenKey = "",
    route: form.Routes = None,
    tcp: form.TcpListeners = None,
    region: Annotated[str, typer.Option(help="Where this Envoy runs.")] = "",
    zone: Annotated[str, typer.Option(help="Where this Envoy runs, within the region.")] = "",
    admin_port: Annotated[int, typer.Option(help="Port of Envoy's own admin interface, on loopback.")] = 9901,
    sotw: Annotated[bool, typer.Option("--sotw", help="State of the World in place of incremental updates.")] = False,
    no_ads: form.NoAds = False,
    tls_ca: form.TlsCa = "",
    tls_certificate: form.TlsCertificate = "",
    tls_key: form.TlsKey = "",
    tls_server_name: form.TlsServerName = "",
    tls_secrets: form.TlsSecrets = "",
    part: Annotated[form.Part, typer.Option(help="Which file to print.")] = form.Part.BOOTSTRAP,
    output: Annotated[form.Output, typer.Option("--output", "-o", help="How to write it.")] = form.Output.YAML,
) -> None:
    """Print the bootstrap of an Envoy. Static listeners and routes, clusters and endpoints from the bridge.

    Paths are on the Envoy's machine. With --tls-secrets DIR, print the parts `certificate` and `ca` as well, to
    DIR/xds_bridge_certificate.yaml and DIR/xds_bridge_ca.yaml: Envoy follows files that these name, and no others.
    """
    from bridge import bootstrap as envoy  # noqa: PLC0415 (the command has the same name)

    known = _whereabouts(imds=from_imds, ecs=from_ecs_metadata)
    try:
        options = envoy.BootstrapOptions(
            node_id=form.named(node_id or known.name),
            node_cluster=cluster,
            bridges=form.bridges(bridge or [form.DEFAULT_BRIDGE]),
            locality=Locality(region or known.region, zone or known.zone),
            admin_port=admin_port,
            api_type=envoy.ApiType.GRPC if sotw else envoy.ApiType.DELTA_GRPC,
            aggregated=not no_ads,
            listeners=form.listeners(listen, grpc, tcp, route or [], form.listener_tls(listen_certificate, listen_key)),
            tls=form.tls(tls_ca, tls_certificate, tls_key, tls_server_name, tls_secrets),
        )
        content = form.content(options, part)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(form.write(content, output), nl=False)


def _whereabouts(*, imds: bool, ecs: bool) -> whereabouts.Whereabouts:
    try:
        return whereabouts.find(imds=imds, ecs=ecs, environ=os.environ)
    except whereabouts.UnknownError as error:
        _refuse(str(error), EXIT_FAILED)


@contextlib.contextmanager
def _held(number: signal.Signals) -> Iterator[None]:
    """Have a signal wait that would end the process before there is somebody to take it (`serve`)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


def _serve(config: Path) -> Never:
    settings = _load(config)
    # gRPC's core writes lines of its own form to standard error, about what we learn as exceptions. Read at its import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    from bridge.app import serve  # noqa: PLC0415 (see the top of this file)

    log.configure(settings.log.format, settings.log.level, sys.stderr, os.environ)
    # Not `asyncio.run`, and never closed: closing waits for threads, such as one that asks a DNS server that is silent.
    runner = asyncio.Runner()
    leave(_outcome(runner, serve(settings, lambda: _load(config))))


def _load(path: Path) -> Config:
    return load(path, os.environ, plugins.discover())


def _certificate_expires(settings: Config) -> float | None:
    """When the certificate for Envoys expires, in seconds since 1970; None without TLS.

    Raises:
        ConfigError: a file cannot be used.
    """
    if settings.xds.tls is None:
        return None

    from bridge import tls  # noqa: PLC0415 (see the top of this file)

    return tls.read(settings.xds.tls).validity.not_after


def _outcome(runner: asyncio.Runner, work: Coroutine[None, None, None]) -> int:
    """Run to the end, and say what the exit code is; everything that went wrong has been told."""
    try:
        runner.run(work)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        return EXIT_CONFIG
    except OSError as error:
        typer.echo(f"cannot start: {error.strerror or error}", err=True)
        return EXIT_FINDING
    except Exception:
        logger.exception("bridge.crashed")
        return EXIT_CRASHED
    return 0


def _refuse(message: str, code: int) -> Never:
    typer.echo(message, err=True)
    sys.exit(code)
