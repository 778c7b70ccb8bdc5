"""Whether this commit is a release, and what goes with it: `python -m scripts.release ready|parts`, for `make release`.

`ready` looks at the working copy; `parts` writes beside the distributions in `dist/` the list of what is in them
(CycloneDX) and the sums of all files, and asks whether a package is known to be weak.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from scripts.apart import AUDIT
from scripts.environment import LOCKS
from scripts.package import DIST
from scripts.step import ROOT, StepError, run, say

LOCK = LOCKS / "install.lock"
_HEADING = re.compile(r"^## (?P<version>\S+)(?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


def main(what: str) -> None:
    """Check one half.

    Raises:
        StepError: this is no release, or not all of it can be made or looked over.
    """
    if what == "ready":
        require_clean()
        require_changes((ROOT / "CHANGELOG.md").read_text(), version())
        say(f"this commit says that it is {version()}")
        return
    parts = DIST / f"xds-bridge-{version()}.cdx.json"
    list_parts(parts)
    write_sums(DIST)
    audit()
    say(f"{version()} is in dist/: tag this commit v{version()}, and publish what is there")


def version() -> str:
    """From the one place that has it."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def require_clean() -> None:
    """Have nothing in the working copy that the commit has not.

    Raises:
        StepError: there is something.
    """
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True, text=True)
    if changed.stdout:
        raise StepError(f"commit first, or remove: {', '.join(line[3:] for line in changed.stdout.splitlines())}")


def require_changes(changelog: str, version: str) -> None:
    """Have the changelog tell of this version, as the newest one, with a date.

    Raises:
        StepError: it does not.
    """
    newest = _HEADING.search(changelog)
    if newest is None or newest["version"] != version or not newest["date"]:
        found = f"'{newest[0]}'" if newest else "nothing"
        raise StepError(f"CHANGELOG.md begins with {found}, where '## {version} - YEAR-MONTH-DAY' should be")


def list_parts(file: Path) -> None:
    """Write which packages, at which versions and hashes, are installed with the wheel.

    Raises:
        StepError: the list cannot be made.
    """
    say(f"listing what is in the release into {file.name}")
    with tempfile.TemporaryDirectory() as folder:
        # The tool does not understand a license as pyproject.toml has it since PEP 639.
        project = Path(folder) / "pyproject.toml"
        project.write_text(f'[project]\nname = "xds-bridge"\nversion = "{version()}"\n')
        options = ("--pyproject", project, "--output-reproducible", "--validate", "--outfile", file)
        run([AUDIT.bin / "cyclonedx-py", "requirements", *options, LOCK])


def audit() -> None:
    """Ask PyPI whether one of these packages is known to be weak.

    Raises:
        StepError: one is, or nobody can tell.
    """
    say("asking whether a package is known to be weak")
    options = ("--require-hashes", "--disable-pip", "--strict", "--progress-spinner", "off")
    try:
        run([AUDIT.bin / "pip-audit", *options, "--requirement", LOCK])
    except StepError as error:
        raise StepError(f"a package is weak, or nobody could tell: {error}") from None


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of each file of a folder into its SHA256SUMS, which `sha256sum --check` reads."""
    sums = folder / "SHA256SUMS"
    files = sorted(path for path in folder.iterdir() if path != sums)
    sums.write_text("".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except StepError as failure:
        sys.exit(f"release: {failure}")
