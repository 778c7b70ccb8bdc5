"""What many tests of the bridge begin with: its commands, and its admin server over fakes."""

from collections.abc import AsyncIterator, Iterator

import pytest

from support.admin_bench import Bench, admin_bench
from support.cli import Command, commands


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    with commands(capsys, monkeypatch) as command:
        yield command


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with admin_bench() as bench:
        yield bench
