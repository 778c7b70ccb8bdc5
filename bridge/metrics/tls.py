"""What is counted of the certificates on the xDS port."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from xds import Identity, IdentityError, Validity


class TlsMetrics:
    """What is counted of certificates; without TLS there are no series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._expiry = Gauge(
            "xds_bridge_tls_certificate_expiry_timestamp_seconds",
            "When the certificates in use expire: the server's, and the last of the authorities of clients.",
            ["role"],
            registry=registry,
        )
        self._start = Gauge(
            "xds_bridge_tls_certificate_not_before_timestamp_seconds",
            "When the certificates in use began to be valid: with their expiry, how long they live.",
            ["role"],
            registry=registry,
        )
        self._loads = Counter(
            "xds_bridge_tls_certificate_loads_total",
            "Times that new certificate files were found, by whether they could be used.",
            ["result"],
            registry=registry,
        )

    def loaded(self, identity: Identity) -> None:
        """Count files that are in use from now on."""
        self._loads.labels("ok").inc()
        self._loads.labels("error")
        self._tell("server", identity.validity)
        if identity.client_ca_validity is not None:
            self._tell("client_ca", identity.client_ca_validity)

    def rejected(self, error: IdentityError) -> None:
        """Count files that are not."""
        self._loads.labels("error").inc()

    def _tell(self, role: str, validity: Validity) -> None:
        self._start.labels(role).set(validity.not_before)
        self._expiry.labels(role).set(validity.not_after)
