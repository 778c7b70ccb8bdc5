"""Tools in virtual environments of their own, apart from the project's: what they need does not go together with it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from scripts.environment import LOCKS, PIP, PYTHON, digest
from scripts.step import CACHE, StepError, run, say


@dataclass(frozen=True)
class Environment:
    """What a lock names, in a folder of the same name."""

    name: str
    what: str
    """What a set-up says of it."""

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return CACHE / self.name / "bin"

    def ensure(self) -> None:
        """Have it in `.cache`.

        Raises:
            StepError: it cannot be made.
        """
        folder, lock = CACHE / self.name, LOCKS / f"{self.name}.lock"
        stamp, wanted = folder / "lock.stamp", digest(lock.read_bytes())
        if stamp.exists() and stamp.read_text() == wanted:
            return
        say(f"fetching {self.what} into .cache/{self.name}")
        shutil.rmtree(folder, ignore_errors=True)
        run([PYTHON, "-m", "venv", "--without-pip", folder])
        try:
            run(
                [*PIP, "--python", self.bin / "python", "install", "--require-hashes", "--requirement", lock],
                attempts=3,
            )
        except StepError as error:
            raise StepError(f"cannot install {lock.name}; is the package index reachable? {error}") from None
        stamp.write_text(wanted)


TERRAFORM = Environment("terraform", "Terraform (64 MB)")
"""Terraform and what its provider's protocol needs, which wants an older protobuf."""
AUDIT = Environment("audit", "checkov and what else looks over what is shipped (a minute)")
"""Linters of Terraform and of IAM policies, known weaknesses of packages, and the list of parts of a release."""
