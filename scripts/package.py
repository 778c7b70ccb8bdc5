"""Builds the distributions into `dist/` and proves that the wheel alone, in a clean environment, gives the command."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from scripts.environment import LOCKS, PYTHON
from scripts.step import ROOT, StepError, run, say

DIST = ROOT / "dist"


def main() -> None:
    """Build, then try what was built.

    Raises:
        StepError: it does not build, install or start.
    """
    shutil.rmtree(DIST, ignore_errors=True)
    say("building the wheel and the source distribution")
    run([PYTHON, "-m", "build", "--no-isolation", "--outdir", DIST])
    (wheel,), (source,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    _require_whole(source)
    with tempfile.TemporaryDirectory() as clean:
        _try_out(wheel, Path(clean))
    for product in sorted(DIST.iterdir()):
        say(f"built dist/{product.name}")


NEEDED = ("systemd/install.sh", "requirements/install.lock", "requirements/build.lock", "Dockerfile", "docs/index.md")
"""What the source distribution must have for somebody who installs the service from it."""


def _require_whole(source: Path) -> None:
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    if missing := sorted(set(NEEDED) - names):
        raise StepError(f"{source.name} is without {', '.join(missing)}; see MANIFEST.in")


PAGE = "lib/*/site-packages/bridge/admin/page"
"""Of an environment, where the status page is, whose templates and styles are no Python."""


def _try_out(wheel: Path, folder: Path) -> None:
    say("installing the wheel into a clean environment")
    # Without pip of its own, so that it works without python3-venv too; ours installs into it.
    run([PYTHON, "-m", "venv", "--without-pip", folder])
    install: list[str | Path] = [PYTHON, "-m", "pip", "--python", folder / "bin" / "python", "install", "--no-input"]
    run([*install, "--require-hashes", "--requirement", LOCKS / "install.lock"], attempts=3)
    run([*install, "--no-deps", wheel])
    for command in ("xds-bridge", "xds-bridge-health"):
        answer = subprocess.run(
            [folder / "bin" / command, "--help"], cwd=folder, capture_output=True, check=False, text=True
        )
        if answer.returncode or f"Usage: {command} " not in answer.stdout:
            raise StepError(f"the installed {command} does not work: {(answer.stderr or answer.stdout).strip()}")
    for file in ("template/base.html", "static/page.css"):
        if not any(folder.glob(f"{PAGE}/{file}")):
            raise StepError(f"the wheel is without {file} of the status page; see package-data in pyproject.toml")


if __name__ == "__main__":
    try:
        main()
    except StepError as failure:
        sys.exit(f"build: {failure}")
