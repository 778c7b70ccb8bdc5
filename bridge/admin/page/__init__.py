"""The status page: what the HTTP API says, as HTML for a person. It reads, and changes nothing."""

from bridge.admin.page.route import Pages

__all__ = ["Pages"]
