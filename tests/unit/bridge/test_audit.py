import json
import logging
from pathlib import Path

import pytest

from bridge.audit import Action, Event, Numbered, Trail
from bridge.audit_file import AuditFile


def event(number: int, service: str = "web") -> Event:
    why = "a complete read shows it"
    return Event(float(number), Action.ADDED, why, "dc1", "dc1/web", service, "10.0.0.1:80", "i1")


def everything(_: Event) -> bool:
    return True


def test_the_trail_keeps_the_latest_and_numbers_them() -> None:
    trail = Trail(remembered=3)
    for number in range(1, 6):
        trail.record(event(number))

    remembered = trail.remembered()
    assert (remembered.first, remembered.last) == (3, 5)
    assert [(each.number, each.event.at) for each in remembered.after(0, everything, 10)] == [
        (3, 3.0),
        (4, 4.0),
        (5, 5.0),
    ]


def test_the_trail_tells_the_first_after_a_number_and_the_latest_of_all() -> None:
    trail = Trail()
    for number in range(1, 6):
        trail.record(event(number))

    remembered = trail.remembered()
    assert [each.number for each in remembered.after(1, everything, 2)] == [2, 3]
    assert remembered.after(5, everything, 2) == []
    assert [each.number for each in remembered.latest(everything, 2)] == [4, 5]


def test_what_is_remembered_stays_as_it_was_and_names_its_trail() -> None:
    trail = Trail()
    before = trail.remembered()
    trail.record(event(1))

    assert (before.first, before.last, before.events) == (1, 0, ())
    assert trail.remembered().trail == before.trail != Trail().remembered().trail


def test_the_trail_tells_of_what_matches() -> None:
    trail = Trail()
    trail.record(event(1, "web"))
    trail.record(event(2, "api"))

    assert [each.number for each in trail.remembered().after(0, lambda each: each.service == "api", 10)] == [2]


def test_followers_are_told_until_they_leave() -> None:
    trail, told = Trail(), list[Numbered]()
    leave = trail.follow(told.append)
    trail.record(event(1))
    leave()
    trail.record(event(2))

    assert told == [Numbered(1, event(1))]


async def test_every_event_is_a_line_on_disk(tmp_path: Path) -> None:
    async with AuditFile(tmp_path) as file:
        for number in range(3):
            file.write(Numbered(number, event(number)))

    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line["at"] for line in lines] == [0.0, 1.0, 2.0]
    assert lines[0] == {
        "at": 0.0,
        "action": "added",
        "why": "a complete read shows it",
        "source": "dc1",
        "scope": "dc1/web",
        "service": "web",
        "endpoint": "10.0.0.1:80",
        "instance": "i1",
    }


async def test_full_files_are_put_away_and_the_oldest_is_dropped(tmp_path: Path) -> None:
    async with AuditFile(tmp_path, size=2_000, kept=2) as file:
        for number in range(100):
            file.write(Numbered(number, event(number)))

    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}  # noqa: ASYNC240 (a test waits for nobody)
    assert set(sizes) == {"audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"}
    assert max(sizes.values()) <= 2_000
    assert json.loads((tmp_path / "audit.jsonl").read_text().splitlines()[-1])["at"] == 99.0


@pytest.fixture
def full() -> Path:
    """A path that is no directory, so that nothing can be written in it."""
    return Path("/dev/full")


async def test_what_cannot_be_written_is_counted_said_once_and_stops_nothing(
    full: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    async with AuditFile(full, lambda: told.append("lost")) as file:
        for number in range(3):
            file.write(Numbered(number, event(number)))

    assert file.lost == len(told) == 3
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.WARNING, "audit.write_failed")]
