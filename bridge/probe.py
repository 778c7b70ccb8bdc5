"""`xds-bridge-health`: asks a bridge whether it lives, or whether it is ready, for the health checks of containers.

Apart from all the rest, because it is started every few seconds: its cost is that of starting Python, and what it
imports is what every Python has in memory. So it uses the sockets of the interpreter, since the module `socket` around
them makes enums of its constants, which takes as long as starting Python. It writes no file.
"""

from __future__ import annotations

import _socket as socket
import _thread
import os
import sys
import time

TYPE_CHECKING = False  # that of `typing` would cost an import
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    _Address = tuple[int, int, int, str, tuple[object, ...]]

PATIENCE = 3.0
"""Seconds that all may take, however many ways to the bridge are tried; the health checks of ECS and Docker give 5 and
30."""

DEFAULT_PLACES = ("/run/xds-bridge/admin.sock", "http://127.0.0.1:19000")

LARGEST = 1 << 20
"""Bytes of an answer that are read."""

_OURS = {
    ("/livez", b"200"): b'{"alive":true',
    ("/readyz", b"200"): b'{"ready":true',
    ("/readyz", b"503"): b'{"ready":false',
}
"""How a bridge's answers begin, without blanks: others answer these paths too, and to parse JSON takes too long."""

USAGE = f"""Usage: xds-bridge-health [--ready] [--socket PATH | --admin URL]

Ask a running bridge whether it lives, or with --ready whether it answers Envoys.

  --ready        ask for /readyz in place of /livez
  --socket PATH  the bridge's unix socket for operators (XDS_BRIDGE_SOCKET)
  --admin URL    its admin server, such as http://127.0.0.1:19000 (XDS_BRIDGE_ADMIN)

Without either, {" and then ".join(DEFAULT_PLACES)} are tried.
Exits with 0 when it does, 1 when it is not ready, which says what is missing, 2 for wrong usage, and 3 when no bridge
is reached.

Example: xds-bridge-health --ready --socket /run/xds-bridge/admin.sock
"""


class _UsageError(Exception):
    """What was typed cannot be done."""


class _UnreachableError(Exception):
    """No bridge answers there."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, say what is wrong, and return what to exit with.

    Args:
        arguments: those after the command's name; those of the process when None.
    """
    typed = sys.argv[1:] if arguments is None else list(arguments)
    if {"-h", "--help"} & set(typed):
        sys.stdout.write(USAGE)
        return 0
    try:
        path, places = _wanted(typed, os.environ)
        status, body = _first_answer(places, path)
    except _UsageError as error:
        sys.stderr.write(f"{error}\n\n{USAGE}")
        return 2
    except _UnreachableError as error:
        sys.stderr.write(f"no bridge answers: {error}\n")
        return 3
    if status == 200:
        return 0
    sys.stdout.write(f"not ready: {'; '.join(_missing(body))}\n")
    return 1


def _wanted(typed: list[str], environ: Mapping[str, str]) -> tuple[str, Sequence[str]]:
    """What to ask for, and the places to ask, each a path or a URL; what is typed goes before the environment."""
    path, places = "/livez", dict[str, str]()
    words = iter(typed)
    for word in words:
        option, equals, value = word.partition("=")
        if word == "--ready":
            path = "/readyz"
        elif option in ("--socket", "--admin"):
            value = value if equals else next(words, "")
            if not value:
                raise _UsageError(f"{option} needs a value")
            places[option] = value
        else:
            raise _UsageError(f"{word!r} is no option of this command")
    if len(places) > 1:
        raise _UsageError("--socket and --admin name two ways to one bridge; give one of them")
    known = ("--socket", environ.get("XDS_BRIDGE_SOCKET", "")), ("--admin", environ.get("XDS_BRIDGE_ADMIN", ""))
    places = places or {option: value for option, value in known if value}
    if "--admin" in places:
        _taken_apart(places["--admin"])
    return path, tuple(places.values()) or DEFAULT_PLACES


def _first_answer(places: Sequence[str], path: str) -> tuple[int, bytes]:
    """The status and the body of what a bridge answers, by the first place where one does."""
    failures = []
    ends = time.monotonic() + PATIENCE
    for left, place in zip(range(len(places), 0, -1), places, strict=True):
        now = time.monotonic()
        try:
            return _answer(place, path, now + (ends - now) / left)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            failures.append(f"tried {place} ({reason})")
    raise _UnreachableError(", ".join(failures))


def _answer(place: str, path: str, deadline: float) -> tuple[int, bytes]:
    """Ask in HTTP/1.0, so that the end of the answer is the end of the connection. Raises OSError or ValueError."""
    host, prefix = "localhost", ""
    if place.startswith("http://"):
        host, name, port, prefix = _taken_apart(place)
        connection = _connected(name, port, deadline)
    else:
        connection = _connection(socket.AF_UNIX, place, deadline)
    try:
        connection.sendall(f"GET {prefix}{path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        head, _, body = _read(connection, deadline).partition(b"\r\n\r\n")
    finally:
        connection.close()
    version, _, rest = head.partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/") or not b"".join(body.split()).startswith(_OURS.get((path, status), b"\n")):
        raise ValueError("what answers there is no admin server of a bridge")
    return int(status), body


def _connected(name: str, port: int, deadline: float) -> socket.socket:
    """A connection to the first address of a host that takes one."""
    failure = OSError("the host has no address")
    # As bytes: of text it would import what turns international names into their ASCII form.
    for family, _, _, _, address in _resolved(name.encode(), port, deadline):
        try:
            return _connection(family, address, deadline)
        except OSError as error:
            failure = error
    raise failure


def _resolved(name: bytes, port: int, deadline: float) -> Sequence[_Address]:
    """The addresses of a host, by a thread, because a resolver takes no deadline; nothing waits for it at the end."""
    answers: list[Sequence[_Address] | OSError] = []
    done = _thread.allocate_lock()
    done.acquire()

    def resolve() -> None:
        try:
            answers.append(socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM))
        except OSError as error:
            answers.append(error)
        finally:
            done.release()

    _thread.start_new_thread(resolve, ())
    if not done.acquire(timeout=_left(deadline)):
        raise TimeoutError("the name of the host is not resolved in time")
    if isinstance(answers[0], OSError):
        raise answers[0]
    return answers[0]


def _connection(family: int, address: str | tuple[object, ...], deadline: float) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(_left(deadline))
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _read(connection: socket.socket, deadline: float) -> bytes:
    answer = b""
    while len(answer) < LARGEST:
        connection.settimeout(_left(deadline))
        portion = connection.recv(65536)
        if not portion:
            break
        answer += portion
    return answer


def _left(deadline: float) -> float:
    """Seconds until then. Raises TimeoutError where it has passed."""
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError("timed out")
    return left


def _taken_apart(url: str) -> tuple[str, str, int, str]:
    """The host header, the host, the port and the path of a URL."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.rstrip("/").partition("/")
    name, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        name, port = authority, "80"
    if scheme != "http" or not name or not port.isdecimal():
        raise _UsageError(f"{url!r} is no URL of an admin server; write one such as http://127.0.0.1:19000")
    return authority, name.strip("[]"), int(port), slash + path


def _missing(body: bytes) -> Iterator[str]:
    """What a bridge waits for, as it says itself."""
    import json  # noqa: PLC0415 (costs as much as all the rest, and is needed when something is wrong only)

    try:
        for each in json.loads(body)["waiting"]:
            errors = f" ({'; '.join(each['errors'])})" if each["errors"] else ""
            yield _printable(f"{each['source']} is waited for, {each['waiting_for']}{errors}")
    except (ValueError, LookupError, TypeError):
        yield "and what answers does not say why"


def _printable(text: str) -> str:
    """A text with nothing in it that could move the cursor: what a source says may be in it."""
    return "".join(each if each.isprintable() else "?" for each in text)


if __name__ == "__main__":
    sys.exit(main())
