"""Runs the demo from its first line to its last, and answers with the exit status of the command."""

import asyncio
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from bridge.demo import story, watch
from bridge.demo.document import CONSUL_SOURCE, FILE_SOURCE, SERVICE, endpoints_path
from bridge.demo.option import HOST, DemoError, DemoOptions
from bridge.demo.screen import Screen, shown
from bridge.demo.stage import IN_CONSUL, IN_FILE, SPARE, Stage, raised

FAILED = 1
"""Exit status when a step of the story was not observed, or a part did not come up or died."""


async def run(options: DemoOptions) -> int:
    """Run the demo until Ctrl-C or SIGTERM, or until the story is told.

    Returns:
        The exit status: 0 when it was stopped by the person or when every step of the story was observed in Envoy.
    """
    screen = Screen(Console())
    with _interruptible() as interrupted, _directory(options) as directory:
        try:
            async with raised(options, directory, screen) as stage:
                await _perform(options, stage)
        except ExceptionGroup as group:
            failures, others = group.split(DemoError)
            if others or not failures:
                raise
            for failure in _flattened(failures):
                screen.failed(str(failure))
            return FAILED
        except asyncio.CancelledError:
            if not interrupted():
                raise
            screen.tell("stopped; every process that was started has ended")
            return FAILED if options.once else 0
    return 0


async def _perform(options: DemoOptions, stage: Stage) -> None:
    if options.once:
        await story.play(stage)
        stage.screen.tell("[bold]every step was observed in Envoy[/bold]")
        return
    _introduce(stage)
    await watch.follow(stage)


def _introduce(stage: Stage) -> None:
    ports, screen = stage.ports, stage.screen
    consul = stage.consul
    screen.place(
        [
            ("Envoy", stage.envoy.url, f"its listener; all requests go to the service {SERVICE}"),
            ("", f"http://{HOST}:{ports.envoy_admin}/clusters", "its admin interface"),
            ("bridge", f"{stage.bridge.url}/", "its status page, for a browser"),
            ("", f"{stage.bridge.url}/api/v1/services", "what it serves, as JSON; /metrics, /readyz"),
            ("", f"{HOST}:{ports.bridge_xds}", "xDS, which Envoy is connected to"),
            *(
                [("Consul", f"{consul.url}/v1/health/service/{SERVICE}", f"the source {CONSUL_SOURCE}")]
                if consul
                else []
            ),
            ("file", shown(endpoints_path(stage.directory)), f"the source {FILE_SOURCE}"),
            *((name, backend.address, _named_by(name)) for name, backend in stage.backends.items()),
            ("logs", shown(stage.directory), "bridge.log, envoy.log" + (", consul.log" if consul else "")),
        ]
    )
    screen.suggest(_suggestions(stage))
    screen.tell("\nEvery change that Envoy makes is shown here as it arrives. Ctrl-C ends everything.")


def _named_by(backend: str) -> str:
    if backend in IN_FILE:
        return "a backend, in the file"
    return "a backend that registered with Consul" if backend == IN_CONSUL else "a backend that nothing names yet"


def _suggestions(stage: Stage) -> list[tuple[str, str]]:
    path, spare = shown(endpoints_path(stage.directory)), stage.backends[SPARE]
    line = f"    - {{address: {HOST}, port: {spare.port}}}"
    rows = [
        ("see who answers", f"for i in $(seq 8); do curl -s {stage.envoy.url}; done"),
        (f"add the backend {SPARE}", f"echo '{line}' >> {path}"),
        ("take an endpoint out, mark one as draining: edit and save", f"${{EDITOR:-vi}} {path}"),
    ]
    if stage.consul:
        backend = stage.backends[IN_CONSUL]
        gone = f"{stage.consul.url}/v1/agent/service/deregister/{IN_CONSUL}"
        rows += [
            (
                f"let {IN_CONSUL} fail its check in Consul, and pass again",
                _put(f"http://{backend.address}/health/fail"),
            ),
            ("", _put(f"http://{backend.address}/health/pass")),
            (f"deregister {IN_CONSUL}", _put(gone)),
        ]
    return rows


def _put(url: str) -> str:
    return f"curl -X PUT {url}"


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C and SIGTERM cancel this task, once; gives the answer to whether one of them did."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if not interrupted and task is not None:  # the second time everything is ending already
            interrupted = True
            task.cancel()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        yield lambda: interrupted
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


@contextmanager
def _directory(options: DemoOptions) -> Iterator[Path]:
    if options.directory is not None:
        options.directory.mkdir(parents=True, exist_ok=True)
        yield options.directory.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="xds-bridge-demo-") as directory:
        yield Path(directory)


def _flattened(group: ExceptionGroup[DemoError]) -> Iterator[DemoError]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _flattened(error)
        else:
            yield error
