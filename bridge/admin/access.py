"""Who may see what of the admin server: decided by where a request comes from, a pure function of it."""

import ipaddress
from collections.abc import Mapping

from bridge.config import AdminConfig, Expose
from bridge.peers import VERSIONS

PROBES = frozenset({"/metrics", "/livez", "/readyz"})
"""What other machines are answered in any case."""


def refusal(config: AdminConfig, path: str, host: str, peer: str) -> str:
    """Why a request is refused; empty when it is answered.

    Args:
        config: what is exposed, and where the server listens.
        path: what is asked for.
        host: the Host header.
        peer: the address that the request comes from; empty when it is not known.
    """
    # What replicas compare is hashes, those of names among them, without a name or an address in it.
    free = path in PROBES or (bool(config.peers) and _compared(path))
    if not config.listen.loopback and (config.expose is Expose.ALL or free):
        return ""
    if not _is_loopback(peer):
        if _compared(path):
            return "this replica is compared with no other one; set admin.peers here too"
        return f"only {', '.join(sorted(PROBES))} answer other machines; set admin.expose: all to change that"
    if not _is_this_machine(host):
        # A page of any web site may name this server by a host of its own whose address it changes ("DNS rebinding");
        # the browser then lets the page read the answer.
        return f"host {host[:100]!r} is not this machine; use an IP or localhost"
    return ""


def foreign(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site asks, unseen by whoever looks at it; a link that is followed is no such thing.

    It could not read the answer, but have sources asked and places taken. See https://www.w3.org/TR/fetch-metadata/.
    """
    return headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and headers.get("Sec-Fetch-Mode") != "navigate"


def _compared(path: str) -> bool:
    return path == VERSIONS or path.startswith(f"{VERSIONS}/")


def _is_loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None  # of a socket for both kinds
    return (mapped or address).is_loopback


def _is_this_machine(host: str) -> bool:
    """Whether a Host header names this machine by address or as localhost: names of the DNS are up to anybody."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
