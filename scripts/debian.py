"""Debian packages without root and without touching the system: a private apt configuration in `.cache/apt`.

The mirror is the machine's own, and apt checks signatures as always.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

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
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb") and KEYRING.exists()):
        raise StepError(f"{package} is fetched from Debian's packages, and this machine is not a Debian")
    for folder in (APT / "state/lists/partial", APT / "cache/archives/partial"):
        folder.mkdir(parents=True, exist_ok=True)
    line = f"deb [signed-by={KEYRING}] {mirror()} {suite or _own_suite()} main\n"
    (APT / "sources.list").write_text(line)
    run(["apt-get", *PRIVATE, *OWN_SOURCES, "update"], attempts=3)
    return _unpack(package)


def _unpack(package: str) -> Path:
    folder = UNPACKED / package
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(["apt-get", *PRIVATE, *OWN_SOURCES, "download", package], attempts=3, directory=folder)
    (archive,) = folder.glob(f"{package}_*.deb")
    run(["dpkg-deb", "-x", archive, folder])
    archive.unlink()
    return folder


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


def _own_suite() -> str:
    release = Path("/etc/os-release").read_text()
    for line in release.splitlines():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            return value.strip('"')
    raise StepError("/etc/os-release names no release (VERSION_CODENAME)")
