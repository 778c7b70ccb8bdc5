"""Terraform and what its provider's protocol needs, in an environment of its own: it wants an older protobuf."""

import shutil

from scripts.environment import LOCKS, PIP, PYTHON, digest
from scripts.step import CACHE, StepError, run, say

ENVIRONMENT = CACHE / "terraform"
LOCK = LOCKS / "terraform.lock"


def ensure() -> None:
    """Have it in `.cache/terraform`.

    Raises:
        StepError: it cannot be made.
    """
    stamp, wanted = ENVIRONMENT / "lock.stamp", digest(LOCK.read_bytes())
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("fetching Terraform into .cache/terraform (64 MB)")
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    run([PYTHON, "-m", "venv", "--without-pip", ENVIRONMENT])
    interpreter = ENVIRONMENT / "bin" / "python"
    try:
        run([*PIP, "--python", interpreter, "install", "--require-hashes", "--requirement", LOCK], attempts=3)
    except StepError as error:
        raise StepError(f"cannot install {LOCK.name}; is the package index reachable? {error}") from None
    stamp.write_text(wanted)
