"""Set-up, as `make` calls it: `python3 -m scripts.prepare run|test|bench`. Skips what is there, repairs what is not."""

import shutil
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 (this is where an older one is refused)
    sys.exit("set-up: Python 3.11 or newer is needed; set PYTHON, as in `make test PYTHON=python3.11`")

from scripts import debian, environment, golang
from scripts.step import CACHE, LOG, StepError, exclusive, say

CONSUL = CACHE / "consul" / "consul"
CONSUL_SUITE = "bullseye"
"""The last Debian release that has Consul (1.8.7)."""


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
        if goal == "bench":
            golang.ensure()


def _ensure_consul() -> None:
    if CONSUL.exists():
        return
    say(f"fetching Consul from Debian {CONSUL_SUITE} into .cache/consul")
    CONSUL.parent.mkdir(parents=True, exist_ok=True)
    try:
        binary = debian.fetch("consul", CONSUL_SUITE) / "usr/bin/consul"
    except StepError:
        installed = shutil.which("consul")
        if not installed:
            raise
        say(f"taking {installed} instead")
        binary = _link_to(Path(installed))
    binary.replace(CONSUL)  # whole or not at all


def _link_to(target: Path) -> Path:
    link = CONSUL.with_name("consul.new")
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
