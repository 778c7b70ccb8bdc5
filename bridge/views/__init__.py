"""Which services each Envoy sees, and how: rules that choose, and a cache for each view in use."""

from bridge.views.choice import chosen, selected
from bridge.views.collection import ClientViews

__all__ = ["ClientViews", "chosen", "selected"]
