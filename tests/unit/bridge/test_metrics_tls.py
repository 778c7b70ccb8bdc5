from pathlib import Path

from prometheus_client import CollectorRegistry

from bridge.metrics import TlsMetrics
from xds import Identity, IdentityError, Part, Validity


def test_certificates_are_counted_and_their_ends_told() -> None:
    registry = CollectorRegistry()
    metrics = TlsMetrics(registry)
    error = IdentityError(Part.CERTIFICATE, Path("/tls.crt"), "is not a file")

    server, authority = Validity(1, 10), Validity(2, 20)
    metrics.loaded(
        Identity(certificate=b"", private_key=b"", validity=server, client_ca=b"", client_ca_validity=authority)
    )
    metrics.rejected(error)
    metrics.rejected(error)

    assert value(registry, "certificate_expiry_timestamp_seconds", role="server") == 10
    assert value(registry, "certificate_expiry_timestamp_seconds", role="client_ca") == 20
    assert value(registry, "certificate_not_before_timestamp_seconds", role="server") == 1
    assert value(registry, "certificate_not_before_timestamp_seconds", role="client_ca") == 2
    assert value(registry, "certificate_loads_total", result="ok") == 1
    assert value(registry, "certificate_loads_total", result="error") == 2


def test_without_tls_there_are_no_series() -> None:
    registry = CollectorRegistry()

    TlsMetrics(registry)

    assert [sample for metric in registry.collect() for sample in metric.samples] == []


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"xds_bridge_tls_{name}", labels)
