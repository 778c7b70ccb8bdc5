"""The dictionary between our words and Envoy's: services become clusters, their endpoints become assignments.

The only part of the bridge that knows protobuf.
"""

from bridge.resources.builder import ResourceBuilder
from bridge.resources.problem import TemplateError

__all__ = ["ResourceBuilder", "TemplateError"]
