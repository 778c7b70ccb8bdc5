"""The TLS of an Envoy's connection to its bridges: the part of its bootstrap, and the files by which it can be renewed.

Envoy 1.40 reads certificate files that a bootstrap names at its start and never again, whatever `watched_directory`
says there. It follows those that are named by a secret, and takes a secret from a file of its own, one in each.
https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/security/secret#key-rotation
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from bridge.errors import ConfigError
from bridge.model import require_printable

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"


class Secret(StrEnum):
    """What Envoy takes from a file of its own, which is called like the secret."""

    CERTIFICATE = "xds_bridge_certificate"
    CA = "xds_bridge_ca"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyTls:
    """How an Envoy verifies its bridges, and how it proves who it is. Paths are on the Envoy's machine.

    Raises:
        ConfigError: a path is not absolute, or one of certificate and key is missing.
    """

    ca: PurePosixPath
    """The authorities that may have signed the certificates of bridges."""
    certificate: PurePosixPath | None = None
    private_key: PurePosixPath | None = None
    server_name: str = ""
    """What every bridge's certificate is for: a DNS name, an IP address or a URI. Empty: the host of a bridge."""
    secrets: PurePosixPath | None = None
    """Where Envoy finds the files of secrets. None: it does without, and sees no renewal before it is started again."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.private_key is None):
            raise ConfigError("an Envoy's certificate and its key belong together")
        for path in (self.ca, self.certificate, self.private_key, self.secrets):
            if path is not None:
                _require_absolute(path)
        try:
            require_printable(self.server_name)
        except ValueError as error:
            raise ConfigError(f"server name {error}") from error


def transport_socket(tls: EnvoyTls, hosts: Sequence[str]) -> dict[str, object]:
    """The `transport_socket` of the cluster of bridges.

    Args:
        tls: what to render.
        hosts: of the bridges; what their certificates are for where there is no `server_name`.
    """
    names = [tls.server_name] if tls.server_name else sorted(set(hosts))
    context: dict[str, object] = {"@type": f"{_TLS}.UpstreamTlsContext", "common_tls_context": _common(tls, names)}
    if len(names) == 1 and _san_type(names[0]) == "DNS":
        context["sni"] = names[0]
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def downstream_socket(certificate: str, private_key: str) -> dict[str, object]:
    """The `transport_socket` of a listener that proves who it is by these files, and speaks HTTP/2 or HTTP/1.1."""
    files = {"certificate_chain": {"filename": certificate}, "private_key": {"filename": private_key}}
    common = {"tls_certificates": [files], "alpn_protocols": ["h2", "http/1.1"]}
    context = {"@type": f"{_TLS}.DownstreamTlsContext", "common_tls_context": common}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def secret(tls: EnvoyTls, which: Secret) -> dict[str, object]:
    """The content of the file of a secret (`DiscoveryResponse`): paths and no keys.

    Raises:
        ConfigError: this Envoy has no certificate.
    """
    if which is Secret.CA:
        content: dict[str, object] = {"validation_context": {**_ca(tls), **_watched(tls.ca)}}
    elif tls.certificate is None or tls.private_key is None:
        raise ConfigError("this Envoy has no certificate")
    else:
        together = tls.certificate.parent == tls.private_key.parent
        content = {"tls_certificate": {**_pair(tls), **(_watched(tls.certificate) if together else {})}}
    return {"resources": [{"@type": f"{_TLS}.Secret", "name": str(which), **content}]}


def _common(tls: EnvoyTls, names: Sequence[str]) -> dict[str, object]:
    match = [{"san_type": _san_type(name), "matcher": {"exact": name}} for name in names]
    validation: dict[str, object] = {"match_typed_subject_alt_names": match}
    common: dict[str, object] = {"alpn_protocols": ["h2"]}  # gRPC's servers refuse who does not ask for it
    if tls.secrets is None:
        common["validation_context"] = {**_ca(tls), **validation}
    else:
        common["combined_validation_context"] = {
            "default_validation_context": validation,
            "validation_context_sds_secret_config": _reference(Secret.CA, tls.secrets),
        }
    if tls.certificate and tls.secrets is None:
        common["tls_certificates"] = [_pair(tls)]
    elif tls.certificate and tls.secrets:
        common["tls_certificate_sds_secret_configs"] = [_reference(Secret.CERTIFICATE, tls.secrets)]
    return common


def _reference(which: Secret, directory: PurePosixPath) -> dict[str, object]:
    source = {"path_config_source": {"path": f"{directory / which}.yaml"}, "resource_api_version": "V3"}
    return {"name": str(which), "sds_config": source}


def _ca(tls: EnvoyTls) -> dict[str, object]:
    return {"trusted_ca": {"filename": str(tls.ca)}}


def _pair(tls: EnvoyTls) -> dict[str, object]:
    return {
        "certificate_chain": {"filename": str(tls.certificate)},
        "private_key": {"filename": str(tls.private_key)},
    }


def _watched(path: PurePosixPath) -> dict[str, object]:
    # Otherwise it watches for a file of this name to be moved there, and misses a link on the way that is replaced.
    return {"watched_directory": {"path": str(path.parent)}}


def _san_type(name: str) -> str:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "URI" if "://" in name else "DNS"
    return "IP_ADDRESS"


def _require_absolute(path: PurePosixPath) -> None:
    try:
        require_printable(str(path))
    except ValueError as error:
        raise ConfigError(f"path {error}") from error
    if not path.is_absolute():
        raise ConfigError(f"{str(path)!r} is not an absolute path, and Envoy may run in any directory")
