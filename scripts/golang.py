"""The Go programs of the benchmark, in `.cache/bench`: built with Debian's Go and Debian's packages of Go libraries.

Debian's library packages make a GOPATH, so no module is downloaded and no versions are written down here.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from scripts import debian
from scripts.step import CACHE, ROOT, StepError, run, say

SUITE = "forky"
"""Its grpc-go hands messages to a codec without copying them (1.66), which the load client needs."""

GO = "1.27"
PACKAGES = (
    *(f"golang-{GO}-go", f"golang-{GO}-src"),
    *("golang-google-grpc-dev", "golang-google-genproto-dev", "golang-google-protobuf-dev"),
    *("golang-golang-x-net-dev", "golang-golang-x-sys-dev", "golang-golang-x-text-dev"),
    *("golang-github-envoyproxy-go-control-plane-dev", "golang-github-envoyproxy-protoc-gen-validate-dev"),
    *("golang-github-cncf-xds-dev", "golang-cel-expr-dev", "golang-github-golang-protobuf-1-5-dev"),
)
"""What the programs are built from: a fifth of all that these packages say they depend on."""

DEBIAN = CACHE / "go" / SUITE
SOURCES = ROOT / "tests" / "benchmark"
BINARIES = CACHE / "bench"
PROGRAMS = ("load", "peer")


def ensure() -> None:
    """Build each program, unless it was built from what its folder holds.

    Raises:
        StepError: Go or a library cannot be had, or a program does not build.
    """
    outdated = [name for name in PROGRAMS if not _current(name)]
    if not outdated:
        return
    _ensure_packages()
    BINARIES.mkdir(exist_ok=True)
    for name in outdated:
        _build(name)


def _current(name: str) -> bool:
    stamp = BINARIES / f"{name}.stamp"
    return (BINARIES / name).exists() and stamp.exists() and stamp.read_text() == digest(SOURCES / name)


def digest(folder: Path) -> str:
    """What a program depends on: its sources and their names, and the versions of all packages."""
    state = hashlib.blake2b(repr(sorted(debian.versions(DEBIAN).items())).encode(), digest_size=16)
    for source in sorted(folder.glob("*.go")):
        content = source.read_bytes()
        state.update(f"{source.name} {len(content)}\n".encode() + content)
    return state.hexdigest()


def _ensure_packages() -> None:
    if debian.versions(DEBIAN).keys() >= set(PACKAGES):
        return
    say(f"fetching Go and its libraries from Debian {SUITE} into .cache/go (60 MB)")
    try:
        debian.fetch_into(DEBIAN, PACKAGES, SUITE)
    except StepError as error:
        raise StepError(f"the xDS benchmark needs Go and its libraries, which cannot be had: {error}") from None


def _build(name: str) -> None:
    say(f"building {SOURCES.relative_to(ROOT) / name} into .cache/bench (some minutes the first time)")
    program = BINARIES / f"{name}.new"
    go = DEBIAN / f"usr/lib/go-{GO}/bin/go"
    run(["env", *_settings(), go, "build", "-trimpath", "-o", program, "."], directory=SOURCES / name)
    program.replace(BINARIES / name)
    (BINARIES / f"{name}.stamp").write_text(digest(SOURCES / name))


def _settings() -> Iterator[str]:
    """The environment of Go: nothing from outside, neither modules nor another toolchain nor a C compiler."""
    yield f"GOROOT={DEBIAN}/usr/lib/go-{GO}"
    yield f"GOPATH={DEBIAN}/usr/share/gocode"
    yield f"GOCACHE={CACHE}/go/build"
    yield from ("GO111MODULE=off", "GOPROXY=off", "GOTOOLCHAIN=local", "GOFLAGS=", "GOENV=off", "CGO_ENABLED=0")
