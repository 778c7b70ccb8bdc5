"""The certificates of the xDS port, for operators: which key leads to a file that is wrong, and what is logged."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from bridge.config import TlsConfig
from bridge.errors import ConfigError
from xds import Credentials, Identity, IdentityError, TlsFiles, Validity, read_identity

log = logging.getLogger(__name__)


def files(config: TlsConfig) -> TlsFiles:
    """Where the files are."""
    return TlsFiles(certificate=config.certificate, private_key=config.private_key, client_ca=config.client_ca)


def read(config: TlsConfig) -> Identity:
    """Read the files once. Blocks.

    Raises:
        ConfigError: one of them cannot be used.
    """
    with explained():
        return read_identity(files(config))


@contextmanager
def explained() -> Iterator[None]:
    """Let what is wrong with a file be a mistake in the configuration, with the key that leads to the file.

    Raises:
        ConfigError: a file cannot be used.
    """
    try:
        yield
    except IdentityError as error:
        raise ConfigError(told(error)) from error


def standing(credentials: Credentials | None) -> tuple[Mapping[str, Validity], str]:
    """For how long what is in use is valid, and why newer files are not; nothing of both without TLS."""
    if credentials is None:
        return {}, ""
    return validities(credentials.current), told(credentials.rejected) if credentials.rejected else ""


def validities(identity: Identity | None) -> Mapping[str, Validity]:
    """For how long what each key of `xds.tls` names is valid."""
    if identity is None:
        return {}
    found = {"certificate": identity.validity, "client_ca": identity.client_ca_validity}
    return {key: validity for key, validity in found.items() if validity is not None}


def told(error: IdentityError) -> str:
    """What is wrong with a file, with the key that leads to it."""
    return f"xds.tls.{error.part}: {error}"


class TlsLog:
    """Logs what becomes of the files: the `IdentityObserver` for people."""

    def loaded(self, identity: Identity) -> None:
        """New certificates are in use."""
        log.info("tls.loaded", extra={"expires": datetime.fromtimestamp(identity.validity.not_after, UTC).isoformat()})

    def rejected(self, error: IdentityError) -> None:
        """The old certificates stay in use, until somebody mends the new ones or the old ones expire."""
        extra = {"key": f"xds.tls.{error.part}", "path": str(error.path), "error": str(error)}
        log.warning("tls.rejected", extra=extra)
