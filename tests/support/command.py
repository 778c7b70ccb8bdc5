"""The command line as people call it: a process of its own, with what it printed."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from support.confidential import require_none


@dataclass(frozen=True)
class Outcome:
    status: int
    output: str
    error: str

    @property
    def json(self) -> dict[str, object]:
        content = json.loads(self.output)
        assert isinstance(content, dict)
        return content


async def command(*arguments: object, environ: Mapping[str, str] | None = None) -> Outcome:
    """`xds-bridge ARGUMENTS`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environ or {})},
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert process.returncode is not None
    require_none(output.decode() + errors.decode(), f"xds-bridge {' '.join(map(str, arguments))}")
    return Outcome(process.returncode, output.decode(), errors.decode())
