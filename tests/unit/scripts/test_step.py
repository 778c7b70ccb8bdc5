"""Steps of set-up: what a person reads when one fails, and that two set-ups do not meet."""

import fcntl
import sys
import threading
from pathlib import Path

import pytest

from scripts import step
from scripts.debian import main_site


@pytest.mark.parametrize(
    ("printed", "complaint"),
    [
        ("fetching\\nERROR: no such package\\nsee above", "ERROR: no such package"),
        ("E: Unable to locate package x\\n", "E: Unable to locate package x"),
        ("ERROR: Exception:\\nTraceback:\\n  line 3\\nTOMLDecodeError: line 83", "TOMLDecodeError: line 83"),
        ("WARNING: nothing to see here", "it said nothing"),
    ],
)
def test_a_failed_step_ends_with_the_complaint_of_its_program(printed: str, complaint: str, tmp_path: Path) -> None:
    program = [sys.executable, "-c", f"print('{printed}'); raise SystemExit(1)"]

    with pytest.raises(step.StepError) as caught:
        step.run(program, log=tmp_path / "log")

    assert str(caught.value).startswith(complaint)
    assert "\n" not in str(caught.value)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(step.StepError, match="cannot run /nonexistent/program"):
        step.run(["/nonexistent/program"], log=tmp_path / "log")


def test_a_download_is_tried_again(tmp_path: Path) -> None:
    tried, log = tmp_path / "tried", tmp_path / "log"
    program = f"import pathlib; p = pathlib.Path('{tried}'); succeeded = p.exists(); p.touch(); exit(not succeeded)"

    step.run([sys.executable, "-c", program], attempts=2, pause=0, log=log)

    assert log.read_text().count("$ ") == 2


def test_a_second_set_up_waits_for_the_first(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with step.exclusive(tmp_path):
            order.append("second")

    with step.exclusive(tmp_path):
        waiting = threading.Thread(target=second)
        waiting.start()
        with (tmp_path / "setup.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        order.append("first")
    waiting.join(timeout=10)

    assert order == ["first", "second"]


def test_the_mirror_is_the_one_of_debians_own_archive() -> None:
    targets = [
        "Node Source|main|https://node.example",
        "Debian-Security|main|http://security.example",
        "Debian|contrib|http://contrib.example",
        "Debian|main|http://mirror.example/debian",
    ]

    assert main_site(targets) == "http://mirror.example/debian"
    assert main_site(targets[:3]) == ""
