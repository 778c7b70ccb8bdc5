import io
import json
import logging
import math
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config import LogFormat, LogLevel
from bridge.log import ConsoleFormatter, JournalFormatter, JsonFormatter, configure, formatter, set_level
from bridge.model import Health


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def untouched() -> Iterator[None]:
    """Put the logging of the process back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("grpc", "apscheduler", "aiohttp", "consul", "asyncio")}
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, value in levels.items():
        logging.getLogger(name).setLevel(value)


def record(event: str = "source.synced", severity: int = logging.INFO, **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "bridge.x", "levelno": severity, "levelname": logging.getLevelName(severity)})
    made.msg, made.created = event, 1_700_000_000.125
    vars(made).update(fields)
    return made


def failed(event: str = "source.crashed") -> logging.LogRecord:
    made = record(event, logging.ERROR)
    try:
        int("no\nway")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_json_is_one_object_with_the_fields() -> None:
    line = JsonFormatter().format(record(source="dc1", endpoints=3))

    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.125Z",
        "level": "info",
        "logger": "bridge.x",
        "event": "source.synced",
        "source": "dc1",
        "endpoints": 3,
    }


def test_json_holds_values_of_every_kind() -> None:
    made = record(health=Health.HEALTHY, found=frozenset({"b", "a"}), pair=(1, None), path=Path("/x"), ratio=math.nan)

    line = json.loads(JsonFormatter().format(made))

    assert (line["health"], line["found"], line["pair"]) == ("healthy", ["a", "b"], [1, None])
    assert (line["path"], line["ratio"]) == ("/x", "nan")


def test_a_field_cannot_pass_for_a_key_of_the_record() -> None:
    line = json.loads(JsonFormatter().format(record(level="critical", time="never")))

    assert (line["level"], line["level_"], line["time_"]) == ("info", "critical", "never")


def test_an_exception_is_a_field_of_the_same_line() -> None:
    line = JsonFormatter().format(failed())

    assert "\n" not in line
    assert json.loads(line)["exception"].endswith(r"'no\nway'")


def test_the_console_is_for_people() -> None:
    line = ConsoleFormatter(colour=False).format(record(source="dc 1", names=("a",), empty=""))

    assert line == '22:13:20.125 INFO     source.synced source="dc 1" names=["a"] empty=""'


def test_colour_is_for_terminals_that_want_it() -> None:
    warning = record(severity=logging.WARNING)

    def coloured(stream: io.StringIO, environ: Mapping[str, str]) -> bool:
        return "\x1b[" in formatter(LogFormat.CONSOLE, stream, environ).format(warning)

    assert coloured(Terminal(), {})
    assert not coloured(Terminal(), {"NO_COLOR": "1"})
    assert not coloured(io.StringIO(), {})


@pytest.mark.parametrize("style", [ConsoleFormatter(colour=False), JournalFormatter()])
def test_a_traceback_follows_on_lines_that_cannot_pass_for_records(style: logging.Formatter) -> None:
    first, *others = style.format(failed()).splitlines()

    assert "source.crashed" in first
    assert others[-1].endswith(r"'no\nway'")
    assert all(line.removeprefix("<3>").startswith("  | ") for line in others)


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (25, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)],
)
def test_the_journal_gets_a_priority_on_every_line(level: int, priority: int) -> None:
    line = JournalFormatter().format(record(severity=level, source="dc1"))

    assert line == f"<{priority}>source.synced source=dc1 logger=bridge.x"


@pytest.mark.parametrize("style", [ConsoleFormatter(colour=False), JournalFormatter(), JsonFormatter()])
@given(text=st.text(alphabet=st.characters()))
def test_no_text_can_break_a_line_or_move_the_cursor(style: logging.Formatter, text: str) -> None:
    line = style.format(record(event=text, source=text, several=[text], inner={text: text}))

    assert line.isprintable()


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    assert isinstance(formatter(LogFormat.AUTO, Terminal(), {}), ConsoleFormatter)
    assert isinstance(formatter(LogFormat.AUTO, io.StringIO(), {}), JsonFormatter)


def test_auto_is_journal_when_systemd_reads_this_very_stream(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}

        assert isinstance(formatter(LogFormat.AUTO, stream, environ), JournalFormatter)
        assert isinstance(formatter(LogFormat.AUTO, stream, {"JOURNAL_STREAM": "8:1"}), JsonFormatter)
        assert isinstance(formatter(LogFormat.JSON, stream, environ), JsonFormatter)


@pytest.mark.usefixtures("untouched")
def test_records_of_the_wanted_level_are_written_once() -> None:
    stream = io.StringIO()

    configure(LogFormat.JSON, LogLevel.INFO, io.StringIO(), {})
    configure(LogFormat.JSON, LogLevel.WARNING, stream, {})
    logging.getLogger("bridge.test").info("source.read")
    logging.getLogger("bridge.test").warning("source.failed", extra={"source": "dc1"})

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["source.failed"]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("library", ["grpc", "apscheduler.scheduler", "aiohttp.access", "consul", "asyncio"])
def test_libraries_speak_from_warning(library: str) -> None:
    stream = io.StringIO()

    configure(LogFormat.JSON, LogLevel.DEBUG, stream, {})
    logging.getLogger(library).info("chatter")
    logging.getLogger(library).warning("trouble with %s", "a\nb")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["trouble with a\nb"]


@pytest.mark.usefixtures("untouched")
def test_warnings_of_python_become_records() -> None:
    stream = io.StringIO()

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        configure(LogFormat.JSON, LogLevel.INFO, stream, {})
        warnings.warn("old", UserWarning, stacklevel=1)
        logging.captureWarnings(False)

    assert json.loads(stream.getvalue())["logger"] == "py.warnings"


@pytest.mark.usefixtures("untouched")
def test_the_level_can_be_another_one_while_everything_else_stays() -> None:
    stream = io.StringIO()
    configure(LogFormat.JSON, LogLevel.WARNING, stream, {})

    set_level(LogLevel.DEBUG)
    logging.getLogger("bridge.x").debug("seen")
    logging.getLogger("grpc").info("unseen")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["seen"]
