"""The TCP connections beneath gRPC, for the one thing that its asyncio interface cannot do: hang up."""

import asyncio
import ipaddress
import os
import socket
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote

_DESCRIPTORS = Path("/proc/self/fd")

_Address = tuple[str, int]


class Lines:
    """Hangs up on clients that have been given up.

    Ending an RPC is not enough where a client does not read: its status waits behind the message that is not taken, and
    gRPC keeps that message for as long as the client keeps the connection. Measured: 50 clients with 4 MiB each, 200 MB
    held after their streams had ended, all of it free at once after a `shutdown` of their sockets.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="hang-up")
        self._wanted: deque[str] = deque()

    async def hang_up(self, peer: str) -> None:
        """Shut the connection down that has this peer, as gRPC writes it; a unix socket has no name to be found by."""
        self._wanted.append(peer)
        # In a thread: every descriptor of the process is looked at, tens of milliseconds where there are thousands.
        await asyncio.get_running_loop().run_in_executor(self._executor, self._shut_down_wanted)

    def close(self) -> None:
        """Hang up on nobody any more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _shut_down_wanted(self) -> None:
        peers = set(_taken(self._wanted))  # often several: one look serves all of them
        addresses = {address for peer in peers if (address := _address(peer))}
        for entry in _DESCRIPTORS.iterdir() if addresses else ():
            _shut_down(int(entry.name), addresses)


def _taken(queue: deque[str]) -> Iterator[str]:
    while queue:
        yield queue.popleft()


def _address(peer: str) -> _Address | None:
    """`ipv4:10.0.0.1:5000` and `ipv6:%5B::1%5D:5000` as host and port; None for anything else."""
    kind, _, rest = unquote(peer).partition(":")
    host, _, port = rest.rpartition(":")
    return (_host(host.strip("[]")), int(port)) if kind in ("ipv4", "ipv6") else None


def _host(text: str) -> str:
    """One spelling for each address: gRPC listens for IPv4 on sockets of IPv6."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _shut_down(descriptor: int, addresses: set[_Address]) -> None:
    """Shut a descriptor down if it is a socket with one of these peers."""
    # A copy is looked at: the number may stand for another file at any moment, the copy's does not.
    with suppress(OSError), closing(_socket(os.dup(descriptor))) as line:  # no socket, not connected, closed by now
        if line.family in (socket.AF_INET, socket.AF_INET6):
            host, port = line.getpeername()[:2]
            if (_host(host), port) in addresses:
                line.shutdown(socket.SHUT_RDWR)


def _socket(descriptor: int) -> socket.socket:
    try:
        return socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        raise
