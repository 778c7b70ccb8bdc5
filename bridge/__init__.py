"""The bridge itself: what sources report, kept in one registry and turned into what Envoy is served."""

__distribution__ = "xds-bridge"
"""The distribution this package belongs to; see `bridge.installation`."""
