import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from xds.server.line import Lines


@contextlib.contextmanager
def connections(host: str, count: int) -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Both ends of connections within this process: the client's, and the server's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, 0), family=family))
        pairs = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(listener.getsockname()[:2]))
            pairs.append((client, stack.enter_context(listener.accept()[0])))
        yield pairs


@pytest.mark.parametrize(("host", "form"), [("127.0.0.1", "ipv4:127.0.0.1:{}"), ("::1", "ipv6:%5B::1%5D:{}")])
async def test_the_one_connection_is_shut_down_and_no_other(host: str, form: str) -> None:
    lines = Lines()
    with connections(host, 3) as pairs:
        await lines.hang_up(form.format(pairs[1][0].getsockname()[1]))

        assert pairs[1][0].recv(1) == b""
        for client, server in (pairs[0], pairs[2]):
            server.sendall(b"x")
            assert client.recv(1) == b"x"
    lines.close()


async def test_an_ipv4_client_of_a_socket_for_both_is_found() -> None:
    lines = Lines()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))
        client = stack.enter_context(socket.create_connection(("127.0.0.1", listener.getsockname()[1])))
        stack.enter_context(listener.accept()[0])

        await lines.hang_up(f"ipv4:127.0.0.1:{client.getsockname()[1]}")

        assert client.recv(1) == b""
    lines.close()


async def test_clients_of_a_unix_socket_and_clients_that_are_gone_are_nobody_to_hang_up_on() -> None:
    lines = Lines()
    left, right = socket.socketpair()
    with left, right:
        await asyncio.gather(lines.hang_up("unix:"), lines.hang_up("ipv4:127.0.0.1:1"), lines.hang_up("unix:/a:5"))

        left.sendall(b"x")
        assert right.recv(1) == b"x"
    lines.close()
