"""TLS of the REST server, with the certificates of the gRPC server, which may be replaced at any time."""

import ssl

from xds import Identity, IdentityError, server_context


class Handshakes:
    """Follows the certificates: an `IdentityObserver`."""

    def __init__(self) -> None:
        self._current: ssl.SSLContext | None = None

    def loaded(self, identity: Identity) -> None:
        """From now on handshakes are made with these."""
        self._current = server_context(identity)
        self._current.sni_callback = self._greet

    def rejected(self, error: IdentityError) -> None:
        """Nothing to do: the last good ones stay in use."""

    def context(self) -> ssl.SSLContext:
        """What to listen with, from then on."""
        assert self._current is not None  # noqa: S101 (the certificates are loaded before any port is opened)
        return self._current

    def _greet(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Go on with the newest certificates; asked in each handshake, also in those that name no server."""
        connection.context = self.context()
