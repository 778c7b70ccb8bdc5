"""The sources of endpoints that come with the bridge; each is found by its entry point and imported by nobody."""

__distribution__ = "xds-bridge"
"""Checked at the start: a package of PyPI has the same import name."""
