"""Resolves the dependencies of `pyproject.toml` into `requirements/*.lock`: exact, with hashes, without addresses."""

import shutil
import sys

from scripts.environment import PIP
from scripts.step import CACHE, ROOT, StepError, run, say

UV = CACHE / "uv"

RESOLVE = (
    *("pip", "compile", "--generate-hashes", "--no-emit-index-url", "--upgrade", "--quiet"),
    *("--universal", "--python-version", "3.11", "--custom-compile-command", "make lock"),
)

LOCKFILES = {
    "build": ("--group", "build"),
    "install": ("pyproject.toml",),
    "run": ("pyproject.toml", "--extra", "envoy", "--constraint", "requirements/install.lock"),
    "terraform": ("--group", "terraform"),
    "audit": ("--group", "audit"),
    "dev": ("pyproject.toml", "--extra", "envoy", "--group", "dev", "--constraint", "requirements/run.lock"),
}
"""Each lock and what goes into it; in this order, because each of `install` (what a service needs), `run` (with an
Envoy for the demo) and `dev` (with what tests it) holds all of the one before at the same versions."""


def main() -> None:
    """Write all locks.

    Raises:
        StepError: uv cannot be had, or finds no solution.
    """
    uv = shutil.which("uv") or _fetch_uv()
    for name, content in LOCKFILES.items():
        say(f"resolving requirements/{name}.lock")
        run([uv, *RESOLVE, *content, "--output-file", f"requirements/{name}.lock"], directory=ROOT)


def _fetch_uv() -> str:
    say("fetching uv into .cache/uv")
    run([*PIP, "install", "--target", UV, "--upgrade", "uv"], attempts=3)
    return str(UV / "bin" / "uv")


if __name__ == "__main__":
    try:
        main()
    except StepError as failure:
        sys.exit(f"lock: {failure}")
