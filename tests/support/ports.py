"""Ports for servers that must be told their port before they start."""

import itertools
import os
import socket

_FIRST, _LAST = 20000, 32000
_APART = 7417
"""Between where two processes begin that were started one after the other: by the golden ratio, so that few meet."""

_CANDIDATES = itertools.chain(
    range(_FIRST + os.getpid() * _APART % (_LAST - _FIRST), _LAST), itertools.cycle(range(_FIRST, _LAST))
)


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on now.

    Taken below the ephemeral range, so that no outgoing connection can occupy it between this call and its use.
    """
    for port in _CANDIDATES:
        with socket.socket() as candidate:
            try:
                candidate.bind((host, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")
