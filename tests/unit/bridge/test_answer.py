import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
import trustme
from pydantic import BaseModel, ValidationError

from bridge.answer import Refusal, parsed
from bridge.cli.client import UnreachableError, Way, read
from bridge.peers.client import PeerClient, PeerError


class Good(BaseModel):
    number: int


def test_a_good_answer_and_a_refusal_are_told_apart() -> None:
    assert parsed(200, '{"number": 5}', Good) == Good(number=5)
    assert parsed(409, b'{"error": "no", "losses": ["web"]}', Good) == Refusal(error="no", losses=("web",))


@pytest.mark.parametrize(("status", "body"), [(200, "{}"), (200, "<html>"), (502, "<html>"), (404, "{}")])
def test_what_no_admin_server_answers_is_an_error(status: int, body: str) -> None:
    with pytest.raises(ValidationError):
        parsed(status, body, Good)


@asynccontextmanager
async def server(certificate: trustme.LeafCert | None) -> AsyncIterator[str]:
    """The https URL of one that speaks TLS only where it has a certificate."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()
            await writer.wait_closed()

    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
    listening = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("speaks_tls", "reason"), [(True, "(its certificate is not accepted: "), (False, "(TLS failed: ")]
)
async def test_what_is_wrong_with_tls_is_said_in_its_own_words(speaks_tls: bool, reason: str) -> None:
    certificate = trustme.CA().issue_cert("127.0.0.1") if speaks_tls else None

    async with server(certificate) as url, PeerClient(ThreadPoolExecutor(1), 1) as client:
        with pytest.raises(PeerError) as of_a_peer:
            await client.versions(url)
        with pytest.raises(UnreachableError) as of_a_command:
            await read([Way(url)], "api/v1/status", Good)

    assert f"cannot connect {reason}" in str(of_a_peer.value)
    assert f"cannot reach a bridge on {url} {reason}" in str(of_a_command.value)
