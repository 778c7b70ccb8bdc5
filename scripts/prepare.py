"""Set-up, as `make` calls it: `python3 -m scripts.prepare run|test|bench`. Skips what is there, repairs what is not."""

import shutil
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 (this is where an older one is refused)
    sys.exit("set-up: Python 3.11 or newer is needed; set PYTHON, as in `make test PYTHON=python3.11`")

from scripts import chromium, debian, environment, golang
from scripts.step import CACHE, LOG, StepError, exclusive, say

CONSUL = CACHE / "consul" / "consul"
CONSUL_SUITE = "bullseye"
"""The last Debian release that has Consul (1.8.7)."""

FAKETIME = CACHE / "faketime" / "libfaketimeMT.so.1"
"""With it preloaded, a process has a wall clock that tests can set."""


def main(goal: str) -> None:
    """Set up what `goal` needs.

    Args:
        goal: `run` for the demo, which does without Consul when it must; `test`, which does not; or `bench`, which
            needs Go programs as well.

    Raises:
        StepError: it cannot be set up.
    """
    with exclusive():
        LOG.unlink(missing_ok=True)
        environment.ensure("run" if goal == "run" else "dev")
        try:
            _ensure_consul()
        except StepError as error:
            if goal != "run":
                raise StepError(f"the tests need Consul; go online, or put a consul 1.8 on the PATH: {error}") from None
            say(f"going on without Consul, which cannot be had: {error}")
        if goal == "test":
            _ensure_faketime()
            chromium.ensure()
        if goal == "bench":
            golang.ensure()


def _ensure_consul() -> None:
    _ensure(CONSUL, "consul", CONSUL_SUITE, "usr/bin/consul", shutil.which("consul"))


def _ensure_faketime() -> None:
    inside = f"usr/lib/*/faketime/{FAKETIME.name}"
    try:
        _ensure(FAKETIME, "libfaketime", "", inside, next(Path("/").glob(inside), None))
    except StepError as error:
        raise StepError(f"the tests need libfaketime; go online, or install it: {error}") from None


def _ensure(place: Path, package: str, suite: str, inside: str, installed: str | Path | None) -> None:
    """Take a file out of one of Debian's packages, else link to the one that is installed.

    Args:
        place: where the file is to be.
        package: that has it.
        suite: the release to take it from; the machine's own when empty.
        inside: where it is in the package, as a pattern.
        installed: where it is on this machine; None where it is not.
    """
    if place.exists():
        return
    say(f"fetching {package} from Debian{f' {suite}' if suite else ''} into .cache/{place.parent.name}")
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        (found,) = debian.fetch(package, suite).glob(inside)
    except StepError:
        if not installed:
            raise
        say(f"taking {installed} instead")
        found = _link(place.with_name(f"{place.name}.new"), Path(installed))
    found.replace(place)  # whole or not at all


def _link(link: Path, target: Path) -> Path:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return link


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except StepError as failure:
        sys.exit(f"set-up: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
