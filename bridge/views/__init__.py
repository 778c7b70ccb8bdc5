"""Which services each Envoy sees, and how: rules that choose, and a cache for each view in use."""

from bridge.views.choice import chosen, everybody, heir, selected
from bridge.views.collection import ClientViews, ShownView

__all__ = ["ClientViews", "ShownView", "chosen", "everybody", "heir", "selected"]
