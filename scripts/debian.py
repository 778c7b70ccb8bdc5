"""Debian packages without root and without touching the system: a private apt configuration in `.cache/apt`.

The mirror is the machine's own, and apt checks signatures as always.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from scripts.step import CACHE, StepError, run, say

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT = CACHE / "apt"
UNPACKED = APT / "unpacked"
PRIVATE = (
    *("-o", f"Dir::State={APT}/state", "-o", f"Dir::Cache={APT}/cache"),
    *("-o", "Dir::State::status=/dev/null", "-o", f"Dir::Log={APT}"),
    *("-o", "Acquire::Retries=3", "-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User="),
)
OWN_SOURCES = ("-o", f"Dir::Etc::sourcelist={APT}/sources.list", "-o", "Dir::Etc::sourceparts=-")

RECORD = ".packages"
"""In a folder: which packages of which versions were unpacked into it, one to a line."""


def fetch(package: str, suite: str = "") -> Path:
    """Download a package and unpack it, without installing it.

    Args:
        package: its name.
        suite: the release to take it from; the machine's own when empty.

    Returns:
        The folder it was unpacked into; whoever called takes from it what is wanted.

    Raises:
        StepError: this is no Debian, or the package cannot be had.
    """
    folder = UNPACKED / package
    shutil.rmtree(folder, ignore_errors=True)
    fetch_into(folder, [package], suite)
    return folder


def fetch_into(folder: Path, packages: Sequence[str], suite: str = "") -> None:
    """Download packages that belong together and unpack them into one folder; those that are in it stay as they are.

    Args:
        folder: where to; `versions` tells what is in it.
        packages: their names. What they depend on is not fetched with them.
        suite: the release to take them from; the machine's own when empty.

    Raises:
        StepError: this is no Debian, or a package cannot be had.
    """
    if missing := [package for package in packages if package not in versions(folder)]:
        _prepare(missing[0], suite)
        _unpack(missing, folder)


def fetch_whole(folder: Path, package: str, there: Sequence[str]) -> None:
    """Download a package with everything that it depends on, and unpack all of it into one folder.

    What is installed on this machine does not count, so that the result is the same on every machine.

    Args:
        folder: where to.
        package: its name; of the machine's own release.
        there: packages that are not fetched, nor what only they depend on.

    Raises:
        StepError: this is no Debian, or a package cannot be had.
    """
    _prepare(package, "")
    archives, status = folder / "archives", folder / "status"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    status.write_text("\n".join(map(_installed, there)))
    places = ("-o", f"Dir::State::status={status}", "-o", f"Dir::Cache::archives={archives}")
    options = ("--yes", "--download-only", "--no-install-recommends")
    run(["apt-get", *PRIVATE, *OWN_SOURCES, *places, "install", *options, package], attempts=3)
    for archive in sorted(archives.glob("*.deb")):
        run(["dpkg-deb", "-x", archive, folder])
    shutil.rmtree(archives)


def _installed(package: str) -> str:
    """What apt reads of a package that is installed, in a version that is new enough for all."""
    return f"Package: {package}\nStatus: install ok installed\nVersion: 999\nArchitecture: {_architecture()}\n"


def _architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()


def versions(folder: Path) -> dict[str, str]:
    """The version of each package that was unpacked into a folder."""
    record = folder / RECORD
    lines = record.read_text().splitlines() if record.exists() else []
    return dict(line.split(" ", 1) for line in lines)


def _prepare(package: str, suite: str) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb") and KEYRING.exists()):
        raise StepError(f"{package} is fetched from Debian's packages, and this machine is not a Debian")
    for folder in (APT / "state/lists/partial", APT / "cache/archives/partial"):
        folder.mkdir(parents=True, exist_ok=True)
    line = f"deb [signed-by={KEYRING}] {mirror()} {suite or own_suite()} main\n"
    (APT / "sources.list").write_text(line)
    run(["apt-get", *PRIVATE, *OWN_SOURCES, "update"], attempts=3)


def _unpack(packages: Sequence[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as downloads:
        run(["apt-get", *PRIVATE, *OWN_SOURCES, "download", *packages], attempts=3, directory=Path(downloads))
        for archive in Path(downloads).glob("*.deb"):
            run(["dpkg-deb", "-x", archive, folder])
            package, version, _ = archive.name.split("_")
            with (folder / RECORD).open("a") as record:  # one by one: an interrupted set-up goes on where it was
                record.write(f"{package} {unquote(version)}\n")


def mirror() -> str:
    """The address of the Debian mirror that this machine's own apt uses.

    Raises:
        StepError: its apt names none, or cannot be brought up to date.
    """
    if site := main_site(_targets(())) or main_site(_targets(PRIVATE)):
        return site
    # Containers are delivered without lists, and apt tells a target's origin from the lists alone.
    say("reading the package lists of this machine's apt (they are not there yet)")
    run(["apt-get", *PRIVATE, "update"], attempts=3)
    if site := main_site(_targets(PRIVATE)):
        return site
    raise StepError("this machine's apt names no Debian mirror; see /etc/apt/sources.list")


def main_site(targets: Iterable[str]) -> str:
    """The first site that carries Debian's own main archive, not its security updates; empty when there is none.

    Args:
        targets: lines of `label|component|site`, as apt knows them.
    """
    for target in targets:
        label, component, site = target.split("|", 2)
        if label == "Debian" and component == "main":
            return site
    return ""


def _targets(options: Sequence[str]) -> list[str]:
    answer = subprocess.run(
        ["apt-get", *options, "indextargets", "--format", "$(LABEL)|$(COMPONENT)|$(SITE)", "Created-By: Packages"],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        check=False,
        text=True,
    )
    return answer.stdout.splitlines()


def own_suite() -> str:
    """The name of the release that this machine has, such as `bookworm`."""
    release = Path("/etc/os-release").read_text()
    for line in release.splitlines():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            return value.strip('"')
    raise StepError("/etc/os-release names no release (VERSION_CODENAME)")
