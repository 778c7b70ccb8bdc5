import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from adapters.file import FileAdapter, FileConfig
from bridge.scheduler import Scheduler
from support.context import RunningAdapter, running
from support.waiting import eventually

ONE = "services: {web: [{address: 10.0.0.1, port: 80}]}\n"
TWO = "services: {web: [{address: 10.0.0.2, port: 80}]}\n"


def write(path: Path, text: str) -> None:
    path.write_text(text)


def rename_into(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def delete(path: Path) -> None:
    path.unlink()


def adapter(path: Path) -> FileAdapter:
    return FileAdapter(FileConfig.model_validate({"path": path, "interval": "20ms"}))


def addresses(source: RunningAdapter) -> set[str]:
    return {address for address, _port in source.addresses().get("web", frozenset())}


def serves(source: RunningAdapter, address: str) -> bool:
    return addresses(source) == {address}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "endpoints.yaml"
    path.write_text(ONE)
    return path


@pytest.fixture
async def source(file: Path) -> AsyncIterator[RunningAdapter]:
    with Scheduler() as scheduler:
        async with running(adapter(file), scheduler.ticks) as source:
            await eventually(lambda: source.synced)
            yield source
    await asyncio.sleep(0)


async def test_file_is_read_at_the_start(source: RunningAdapter) -> None:
    assert addresses(source) == {"10.0.0.1"}


async def test_file_edited_in_place_is_read_again(source: RunningAdapter, file: Path) -> None:
    write(file, TWO)

    await eventually(lambda: addresses(source) == {"10.0.0.2"})


async def test_file_renamed_into_place_is_read_again(source: RunningAdapter, file: Path) -> None:
    for content, address in ((TWO, "10.0.0.2"), (ONE, "10.0.0.1"), (TWO, "10.0.0.2")):
        rename_into(file, content)

        await eventually(partial(serves, source, address))


async def test_deleted_file_keeps_its_endpoints_and_is_read_when_it_comes_back(
    source: RunningAdapter, file: Path
) -> None:
    delete(file)
    await eventually(lambda: bool(source.failing))

    assert f"cannot read {file} (No such file or directory)" in source.failing[0]
    assert addresses(source) == {"10.0.0.1"}

    write(file, TWO)
    await eventually(lambda: addresses(source) == {"10.0.0.2"})
    await eventually(lambda: not source.failing)


@pytest.mark.parametrize(
    "broken", ["", "null", "services: [", "services:\n  web:\n", "services:\n  web: []\n  web: []\n"]
)
async def test_broken_file_keeps_the_last_good_content_and_says_where(
    source: RunningAdapter, file: Path, broken: str
) -> None:
    write(file, broken)
    await eventually(lambda: bool(source.failing))

    assert f"{file}:" in source.failing[0]
    assert addresses(source) == {"10.0.0.1"}

    write(file, TWO)
    await eventually(lambda: addresses(source) == {"10.0.0.2"})


async def test_broken_file_is_parsed_once_however_often_it_is_looked_at(
    source: RunningAdapter, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, "services: [")
    await eventually(lambda: bool(source.failing))

    def must_not_read(path: Path) -> bytes:
        raise AssertionError(path)

    monkeypatch.setattr(Path, "read_bytes", must_not_read)
    failures = source.observer.count("failed")
    await eventually(lambda: source.observer.count("failed") >= failures + 3)

    assert source.observer.count("crashed") == 0


async def test_wrong_endpoint_is_set_aside_and_its_neighbours_are_served(source: RunningAdapter, file: Path) -> None:
    write(file, "services:\n  web:\n  - {address: 10.0.0.2, port: 80}\n  - {address: 10.0.0.3, port: 70000}\n")

    await eventually(lambda: addresses(source) == {"10.0.0.2"})
    assert source.set_aside("web") == (f"{file}:4: port 70000 is not between 1 and 65535",)


async def test_unchanged_file_counts_as_fresh(source: RunningAdapter) -> None:
    seen = source.observer.count("succeeded")

    await eventually(lambda: source.observer.count("succeeded") >= seen + 3)


async def test_file_that_is_not_there_at_the_start_is_read_when_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "later.yaml"
    with Scheduler() as scheduler:
        async with running(adapter(path), scheduler.ticks) as source:
            await eventually(lambda: bool(source.failing))
            assert not source.synced

            write(path, ONE)

            await eventually(lambda: addresses(source) == {"10.0.0.1"})
    await asyncio.sleep(0)
