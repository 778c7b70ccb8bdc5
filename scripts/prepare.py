"""Set-up, as `make` calls it: `python3 -m scripts.prepare run|test|bench`. Skips what is there, repairs what is not."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 (this is where an older one is refused)
    sys.exit("set-up: Python 3.11 or newer is needed; set PYTHON, as in `make test PYTHON=python3.11`")

from scripts import apart, chromium, containers, debian, environment, golang, wheels
from scripts.step import CACHE, LOG, StepError, exclusive, say

CONSUL = CACHE / "consul" / "consul"
CONSUL_SUITE = "bullseye"
"""The last Debian release that has Consul (1.8.7)."""

FAKETIME = CACHE / "faketime" / "libfaketimeMT.so.1"
"""With it preloaded, a process has a wall clock that tests can set."""

PROMETHEUS = CACHE / "prometheus" / "prometheus"
PROMTOOL = PROMETHEUS.with_name("promtool")


@dataclass(frozen=True)
class Wanted:
    """A file of one of Debian's packages."""

    place: Path
    """Where it is to be."""
    inside: str
    """Where it is in the package, as a pattern."""
    installed: str | Path | None
    """Where it is on this machine; None where it is not."""


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
            _ensure_prometheus()
            chromium.ensure()
            wheels.ensure()
            containers.ensure()
            apart.TERRAFORM.ensure()
            apart.AUDIT.ensure()
        if goal == "bench":
            golang.ensure()


def _ensure_consul() -> None:
    _ensure("consul", Wanted(CONSUL, "usr/bin/consul", shutil.which("consul")), suite=CONSUL_SUITE)


def _ensure_faketime() -> None:
    inside = f"usr/lib/*/faketime/{FAKETIME.name}"
    try:
        _ensure("libfaketime", Wanted(FAKETIME, inside, next(Path("/").glob(inside), None)))
    except StepError as error:
        raise StepError(f"the tests need libfaketime; go online, or install it: {error}") from None


def _ensure_prometheus() -> None:
    programs = (PROMETHEUS, PROMTOOL)
    try:
        _ensure("prometheus", *(Wanted(place, f"usr/bin/{place.name}", shutil.which(place.name)) for place in programs))
    except StepError as error:
        raise StepError(f"the tests need Prometheus; go online, or install it: {error}") from None


def _ensure(package: str, *files: Wanted, suite: str = "") -> None:
    """Take files out of one of Debian's packages, else link to those that are installed.

    Args:
        package: that has them.
        files: what is taken, unless it is there; all in one folder.
        suite: the release to take them from; the machine's own when empty.
    """
    missing = [file for file in files if not file.place.exists()]
    if not missing:
        return
    folder = missing[0].place.parent
    say(f"fetching {package} from Debian{f' {suite}' if suite else ''} into .cache/{folder.name}")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        unpacked = debian.fetch(package, suite)
    except StepError:
        if not all(file.installed for file in missing):
            raise
        for file in missing:
            say(f"taking {file.installed} instead")
            _link(file.place.with_name(f"{file.place.name}.new"), Path(file.installed or "")).replace(file.place)
        return
    for file in missing:
        (found,) = unpacked.glob(file.inside)
        found.replace(file.place)  # whole or not at all


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
