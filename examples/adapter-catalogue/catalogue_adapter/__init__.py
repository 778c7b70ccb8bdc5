"""A source of xds-bridge that reads a catalogue in JSON over HTTP."""

from catalogue_adapter.adapter import CatalogueAdapter

__all__ = ["CatalogueAdapter"]
