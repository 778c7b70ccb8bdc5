"""The bridge as users run it: a child process with a configuration file."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from support.confidential import require_none, watched
from support.log_page import undocumented
from support.ports import free_port
from support.waiting import eventually

Json = dict[str, object]


class BridgeProcess:
    """`xds-bridge run` in a directory of its own; ended with its context, whatever happened in it."""

    def __init__(self, directory: Path, sources: list[Json], **config: object) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.xds_port, self.admin_port = free_port(), free_port()
        self.config = directory / "bridge.yaml"
        self.log = directory / "bridge.log"
        self.settings: Json = {
            "xds": {"listen": f"127.0.0.1:{self.xds_port}"},
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "log": {"format": "json"},
            "sources": sources,
            **config,
        }
        self.write(self.settings)
        self.environment: Mapping[str, str] = {}
        """Variables beyond those of the tests, with which it is started."""
        self.python = sys.executable
        """The interpreter that runs it."""
        self._process: asyncio.subprocess.Process | None = None

    def write(self, config: Json) -> None:
        """Write the configuration; JSON is YAML."""
        self.config.write_text(json.dumps(config, indent=2))

    def listen_for_operators(self, path: Path) -> None:
        """Have it listen on a unix socket as well when it is started."""
        self.settings["admin"] = {"listen": f"127.0.0.1:{self.admin_port}", "socket": str(path)}
        self.write(self.settings)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            if self.running:
                await self.kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            await self.kill()
        if error is None:
            self.require_proper_log()

    def require_proper_log(self) -> None:
        """Fail the test if the log holds a secret, or an event that the page of log events does not have like that."""
        log = self.log.read_text(encoding="utf-8", errors="replace")
        require_none(log, f"the log {self.log}")
        assert undocumented(log) == [], f"not in docs/log-events.md as {self.log} has it"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "the bridge was never started"
        return self._process

    async def start(self, *, ready: bool = True, command: tuple[str, ...] = ("-m", "bridge")) -> None:
        """Start it and wait until it lives, or until Envoys are answered (`ready`)."""
        with watched(self.log).open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self.python,
                *command,
                "run",
                "--config",
                str(self.config),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            )
        await eventually(
            lambda: self._answers("/readyz" if ready else "/livez"), timeout=60, what=f"the bridge; see {self.log}"
        )

    def pause(self) -> None:
        """Freeze it (SIGSTOP): it hangs, and its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)

    async def reload(self, **changes: object) -> Json:
        """Change keys of the configuration, SIGHUP, and wait for the end of that; returns what came of it."""
        before = await self._reloaded()
        self.settings |= changes
        self.write(self.settings)
        self.process.send_signal(signal.SIGHUP)
        outcome: Json = {}

        async def done() -> bool:
            outcome.clear()
            outcome.update(await self._reloaded())
            return outcome != before

        await eventually(done, what=f"a reload; see {self.log}")
        return outcome

    async def _reloaded(self) -> Json:
        """What came of the last reload."""
        config = (await self.get("/api/v1/status"))["config"]
        assert isinstance(config, dict)
        return config["last_reload"] or {}

    async def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        await self.process.wait()

    async def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            return await self.process.wait()

    async def get(self, path: str) -> Json:
        """The JSON that the admin server answers."""
        async with aiohttp.ClientSession() as session, session.get(self.url(path)) as response:
            text = await response.text()
        require_none(text, f"the answer to {path}")
        answer = json.loads(text)
        assert isinstance(answer, dict)
        return answer

    async def metrics(self) -> dict[str, float]:
        """Every sample of /metrics, by its name and labels as they are written there."""
        async with aiohttp.ClientSession() as session, session.get(self.url("/metrics")) as response:
            text = await response.text()
        require_none(text, "/metrics")
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.admin_port}{path}"

    def events(self, name: str) -> list[Json]:
        """The log records of one event."""
        return [record for record in self.records() if record.get("event") == name]

    def records(self) -> list[Json]:
        """Every log record."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    async def _answers(self, path: str) -> bool:
        if not self.running:
            raise AssertionError(f"the bridge ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
        try:
            async with aiohttp.ClientSession() as session, session.get(self.url(path)) as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False
