"""The packages of an installation as files in `.cache/wheels`: tests install from them where there is no network."""

import shutil

from scripts.environment import LOCKS, PIP, digest
from scripts.step import CACHE, StepError, run, say

WHEELS = CACHE / "wheels"
NEEDED = ("install", "build")
"""The locks whose packages are there."""


def ensure() -> None:
    """Have them there.

    Raises:
        StepError: they cannot be fetched.
    """
    locks = [LOCKS / f"{name}.lock" for name in NEEDED]
    stamp, wanted = WHEELS / "lock.stamp", digest(b"".join(lock.read_bytes() for lock in locks))
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("fetching the packages of an installation into .cache/wheels")
    shutil.rmtree(WHEELS, ignore_errors=True)
    WHEELS.mkdir(parents=True)
    for lock in locks:
        try:
            run([*PIP, "download", "--require-hashes", "--requirement", lock, "--dest", WHEELS], attempts=3)
        except StepError as error:
            raise StepError(f"cannot fetch {lock.name}; is the package index reachable? {error}") from None
    stamp.write_text(wanted)
