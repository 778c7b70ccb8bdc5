"""What gRPC shows in TLS handshakes, and whom it believes there; the files behind that may change at any time."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import grpc

from xds.identity import Identity, IdentityError, IdentityWatch, TlsFiles


class IdentityObserver(Protocol):
    """Is told what became of the files. Called on the event loop: must neither block nor raise."""

    def loaded(self, identity: Identity) -> None:
        """From now on handshakes are made with these; connections made before live on."""

    def rejected(self, error: IdentityError) -> None:
        """Files that have changed cannot be used, so the last good ones still are; told once for each error."""


@dataclass(frozen=True, slots=True)
class FreshIdentity:
    """What files held when they were read, and what follows them."""

    identity: Identity
    watch: IdentityWatch


class Credentials:
    """Keeps to the files, and to their last good content while they have none.

    Args:
        files: where they are.
        observers: are told, in this order.
        interval: seconds between two looks at the files. A change is believed at the second look that finds it.
    """

    def __init__(self, files: TlsFiles, observers: Sequence[IdentityObserver], interval: float = 1.0) -> None:
        self._verifies_clients = files.client_ca is not None
        self._observers = observers
        self._interval = interval
        self._files = files
        self._watch = IdentityWatch(files)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tls-files")
        self.current: Identity | None = None
        """What handshakes are made with; None before `load`."""
        self.rejected: IdentityError | None = None
        """Why what the files hold now is not that."""
        self._handed_over: Identity | None = None

    async def load(self) -> grpc.ServerCredentials:
        """Read the files, and return what follows them from then on, as long as `run` does.

        Raises:
            IdentityError: they cannot be used.
        """
        fresh = await self.read(self._files)
        self.use(fresh)
        self._handed_over = fresh.identity
        return grpc.dynamic_ssl_server_credentials(
            _configuration(fresh.identity),
            self._fetch,  # type: ignore[arg-type]  # None is "as before"; the stubs do not know
            self._verifies_clients,
        )

    async def read(self, files: TlsFiles) -> FreshIdentity:
        """What files hold at this moment, whether they are those that are followed or others; nothing is changed.

        Raises:
            IdentityError: they cannot be used.
        """
        watch = IdentityWatch(files)
        identity = await self._look(watch)
        assert identity is not None  # noqa: S101 (the first look finds something new, or raises)
        return FreshIdentity(identity, watch)

    def use(self, fresh: FreshIdentity) -> None:
        """Make handshakes with what was read from now on, and follow its files.

        Whether clients are asked for a certificate stays as it is: what was read has authorities for them if that of
        the start has.
        """
        self._watch = fresh.watch
        self._accept(fresh.identity)

    async def run(self) -> None:
        """Look at the files again and again, until cancelled."""
        try:
            while True:
                await asyncio.sleep(self._interval)
                await self._look_again()
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def _look_again(self) -> None:
        watch = self._watch
        try:
            identity = await self._look(watch)
        except IdentityError as error:
            if watch is self._watch:  # and not of files that are no longer followed
                self._reject(error)
        else:
            if identity is not None and watch is self._watch:
                self._accept(identity)

    async def _look(self, watch: IdentityWatch) -> Identity | None:
        return await asyncio.get_running_loop().run_in_executor(self._executor, watch.look)

    def _accept(self, identity: Identity) -> None:
        if identity != self.current or self.rejected:
            self.current, self.rejected = identity, None
            for observer in self._observers:
                observer.loaded(identity)

    def _reject(self, error: IdentityError) -> None:
        if str(error) != str(self.rejected):
            self.rejected = error
            for observer in self._observers:
                observer.rejected(error)

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """What has changed since the last handshake. gRPC asks at each one, in threads of its own, one at a time."""
        current = self.current
        if current is None or current is self._handed_over:
            return None
        self._handed_over = current
        return _configuration(current)


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    pair = (identity.private_key, identity.certificate)
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=identity.client_ca)
