"""The virtual environment in `.cache/venv`: exactly what a lock file says, and this project on top of it.

An environment that is not known to be complete is made anew, so that an interrupted set-up repairs itself.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import debian
from scripts.step import CACHE, ROOT, StepError, run, say

VENV = CACHE / "venv"
PYTHON = VENV / "bin" / "python"
LOCKS = ROOT / "requirements"
BUILD_LOCK = LOCKS / "build.lock"
"""What builds packages; installed first and used for all the rest, so that no build fetches what is not locked."""

PIP = (PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input")


def ensure(name: str) -> None:
    """Make the environment of `requirements/<name>.lock` (`run` or `dev`), unless a sufficient one is there.

    Raises:
        StepError: it cannot be made.
    """
    if not _complete(name):
        _make()
        _install(name)
    if _read(VENV / "project.stamp") != _project_stamp():
        _install_project()


def _complete(name: str) -> bool:
    # `dev` holds all that `run` does, at the same versions.
    sufficient = {_stamp(lock) for lock in {name, "dev"}}
    return _read(VENV / "lock.stamp") in sufficient


def _stamp(name: str) -> str:
    """What the environment depends on: the locks, its interpreter, and the place, which its scripts name."""
    content = BUILD_LOCK.read_bytes() + (LOCKS / f"{name}.lock").read_bytes()
    return digest(content + f"{_interpreter()} {ROOT}".encode())


def _interpreter() -> str:
    """The version of the environment's Python; empty when it does not run, such as after an upgrade of the system."""
    try:
        answer = subprocess.run([PYTHON, "-VV"], capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout


def _project_stamp() -> str:
    return digest((ROOT / "pyproject.toml").read_bytes())


def digest(content: bytes) -> str:
    """By which a change of what was installed from is noticed."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _make() -> None:
    say("making a virtual environment in .cache/venv")
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        run([sys.executable, "-m", "venv", VENV])
    except StepError:
        _make_without_ensurepip()


def _make_without_ensurepip() -> None:
    """Debian ships what puts pip into an environment separately (python3-venv); its pip can be had without root."""
    say("python3-venv is not installed; fetching Debian's pip instead")
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        run([sys.executable, "-m", "venv", "--without-pip", VENV])
        (wheel,) = (debian.fetch("python3-pip-whl") / "usr/share/python-wheels").glob("pip-*.whl")
        run([PYTHON, wheel / "pip", "install", "--no-index", "--no-deps", wheel])
    except (StepError, ValueError):
        shutil.rmtree(VENV, ignore_errors=True)
        raise StepError("python3-venv is missing; install it (apt-get install python3-venv) and try again") from None


def _install(name: str) -> None:
    lock = LOCKS / f"{name}.lock"
    say(f"installing what {lock.relative_to(ROOT)} names, by hash (about a minute the first time)")
    for requirements in (BUILD_LOCK, lock):
        try:
            run([*_install_command(), "--require-hashes", "--requirement", requirements], attempts=3)
        except StepError as error:
            raise StepError(f"cannot install {requirements.name}; is the package index reachable? {error}") from None
    (VENV / "lock.stamp").write_text(_stamp(name))


def _install_project() -> None:
    say("installing this project into it, editable")
    try:
        run([*_install_command(), "--no-deps", "--editable", ROOT])
    except StepError as error:
        raise StepError(f"cannot install this project; does pyproject.toml still build? {error}") from None
    (VENV / "project.stamp").write_text(_project_stamp())


def _install_command() -> list[str | Path]:
    return [*PIP, "install", "--no-build-isolation", "--use-pep517", "--progress-bar", "off"]
