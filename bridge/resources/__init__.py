"""The dictionary between our words and Envoy's: services become clusters, their endpoints become assignments.

The only part of the bridge that knows protobuf.
"""

from bridge.problem import TemplateError
from bridge.resources.assignment import assigns
from bridge.resources.builder import ResourceBuilder
from bridge.resources.flavour import PLAIN, EdsServer, Flavour
from bridge.resources.rendering import Renderer

__all__ = ["PLAIN", "EdsServer", "Flavour", "Renderer", "ResourceBuilder", "TemplateError", "assigns"]
