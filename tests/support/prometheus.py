"""A real Prometheus, and what its promtool says of metrics; both are what `make test` fetches."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from scripts.prepare import PROMETHEUS, PROMTOOL
from support.ports import free_port
from support.waiting import eventually

JOB = "xds-bridge"
"""What the scrape job is called that alerts and dashboard go by."""


class Prometheus:
    """What runs, asked through its HTTP API."""

    def __init__(self, port: int, log: Path) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"
        self._log = log

    async def until_scraped(self) -> None:
        """Wait until the target has been scraped once."""
        await eventually(self._scraped, timeout=60, what=f"Prometheus has scraped; see {self._log}")

    async def values(self, expression: str) -> list[float]:
        """The value of each series that an expression has now; those that are no number are left out."""
        data = await self._get("query", query=expression)
        result = data["result"]
        assert isinstance(result, list)
        values = [float(each["value"][1]) for each in result] if data["resultType"] == "vector" else []
        return [value for value in values if not math.isnan(value)]

    async def until_answered(self, expressions: Collection[str]) -> None:
        """Wait until each expression has had a value."""
        missing = list(expressions)

        async def answered() -> bool:
            missing[:] = [each for each in missing if not await self.values(each)]
            return not missing

        try:
            await eventually(answered, timeout=150)  # some ask for what was at whole minutes
        except AssertionError:
            raise AssertionError("no value for\n" + "\n".join(missing)) from None

    async def alerts(self) -> dict[str, str]:
        """The alerts whose expressions hold now, whether or not for long enough, with what they say."""
        listed = (await self._get("alerts"))["alerts"]
        assert isinstance(listed, list)
        return {each["labels"]["alertname"]: json.dumps(each["annotations"]) for each in listed}

    async def failing_rules(self) -> list[str]:
        """Rules that could not be evaluated."""
        groups = (await self._get("rules"))["groups"]
        assert isinstance(groups, list)
        return [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"]

    async def _scraped(self) -> bool:
        try:
            return bool(await self.values(f'up{{job="{JOB}"}} == 1'))
        except (aiohttp.ClientConnectionError, aiohttp.ContentTypeError):
            return False

    async def _get(self, path: str, **parameters: str) -> dict[str, object]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._url}/{path}", params=parameters) as response,
        ):
            answer = await response.json()
        assert answer["status"] == "success", f"{answer.get('error')}: {parameters}"
        data = answer["data"]
        assert isinstance(data, dict)
        return data


@asynccontextmanager
async def prometheus(directory: Path, target: int, rules: Sequence[Path]) -> AsyncIterator[Prometheus]:
    """One that scrapes a port of this machine several times a second from soon on; wait for it by `until_scraped`."""
    port, log = free_port(), directory / "prometheus.log"
    config = {
        "global": {"scrape_interval": "300ms", "scrape_timeout": "300ms", "evaluation_interval": "500ms"},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
    }
    _write(directory / "prometheus.yml", json.dumps(config))
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            PROMETHEUS,
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=output,
            stderr=output,
        )
    try:
        yield Prometheus(port, log)
    finally:
        process.kill()
        await process.wait()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)


async def check_config(path: Path) -> str:
    """What `promtool check config` complains about in a configuration of Prometheus; nothing when all is well."""
    process = await asyncio.create_subprocess_exec(
        PROMTOOL, "check", "config", path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return output.decode() if process.returncode else ""


async def check_metrics(text: str) -> str:
    """What `promtool check metrics` says of an exposition; nothing when all is well."""
    process = await asyncio.create_subprocess_exec(
        PROMTOOL,
        "check",
        "metrics",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(text.encode())
    return output.decode() if process.returncode or output else ""
