"""TLS of the REST server, with the certificates of the gRPC server, which may be replaced at any time."""

import ssl

from xds import Identity, IdentityError, server_context


class Handshakes:
    """Follows the certificates: an `IdentityObserver`."""

    def __init__(self) -> None:
        self._newest = _Newest(ssl.PROTOCOL_TLS_SERVER)

    def loaded(self, identity: Identity) -> None:
        """From now on handshakes are made with these."""
        self._newest.current = server_context(identity)

    def rejected(self, error: IdentityError) -> None:
        """Nothing to do: the last good ones stay in use."""

    def context(self) -> ssl.SSLContext:
        """What to listen with, from then on."""
        assert self._newest.current is not None  # noqa: S101 (the certificates are loaded before any port is opened)
        return self._newest


class _Newest(ssl.SSLContext):
    """Makes each connection with the context of the newest certificates.

    Sessions are kept by the context that a connection began with, and not by one that it is given on its way: so those
    that were made with other certificates, or under another authority, are unknown here.
    """

    current: ssl.SSLContext | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 (as `ssl` declares it)
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Called by asyncio for each connection."""
        assert self.current is not None  # noqa: S101 (nobody listens with it before)
        return self.current.wrap_bio(incoming, outgoing, server_side, server_hostname, session)
