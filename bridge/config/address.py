"""A host and a port to listen on, and the one spelling they have in the configuration."""

import ipaddress
import re
from dataclasses import dataclass

ADDRESS_PATTERN = r"^(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):[0-9]{1,5}$"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 lets the operating system choose one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it; a name other than `localhost` counts as reachable by others."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def collides(self, other: "Address") -> bool:
        """Whether not both can be listened on: the same port of the same address, or of all addresses.

        Names are taken as different from each other and from addresses; where they are not, listening fails.
        """
        everywhere = {"0.0.0.0", "::"}  # noqa: S104 (to find it, not to listen there)
        same = self.host == other.host or bool(everywhere & {self.host, other.host})
        return same and self.port == other.port != 0

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(value: object) -> Address:
    """Read `127.0.0.1:18000`, `[::1]:18000` or `name:18000`.

    Raises:
        ValueError: it is something else; the message is for the operator.
    """
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise ValueError("expected host:port, such as 127.0.0.1:18000")  # noqa: TRY004 (pydantic reports ValueError alone)
    if value.startswith(":"):
        raise ValueError(f"{value!r} has no host; write 0.0.0.0{value} for every IPv4 interface")
    if not re.fullmatch(ADDRESS_PATTERN, value, re.ASCII):
        raise ValueError(f"{value!r} is not host:port; write it as 127.0.0.1:18000 or [::1]:18000")
    host, _, port = value.rpartition(":")
    return Address(_host(host), _port(port))


def _host(text: str) -> str:
    if not text.startswith("["):
        return text
    try:
        return str(ipaddress.IPv6Address(text[1:-1]))
    except ValueError:
        raise ValueError(f"{text} is not an IPv6 address") from None


def _port(text: str) -> int:
    if int(text) > 65535:
        raise ValueError(f"port {text} is not between 0 and 65535")
    return int(text)
