"""The configuration: one YAML file, read once at start into frozen values.

Only this package and each adapter's own `Config` know the names of keys.
"""

from bridge.config.address import Address
from bridge.config.glob import UnmatchedGlob, first_match, unmatched
from bridge.config.loader import load, load_admin
from bridge.config.model import (
    AdminConfig,
    Config,
    Expose,
    GuardConfig,
    LogConfig,
    LogFormat,
    LogLevel,
    MetricsConfig,
    PerService,
    SourceConfig,
    SourceKeys,
    build_adapters,
)
from bridge.config.schema import json_schema
from bridge.config.service import MergeConfig, ServiceRule, cluster_rules, merge_notes, merge_policies
from bridge.config.view import ALL, EdsConfig, ViewMatch, ViewRule
from bridge.config.xds import Debounce, LimitsConfig, RestConfig, TlsConfig, XdsConfig

__all__ = [
    "ALL",
    "Address",
    "AdminConfig",
    "Config",
    "Debounce",
    "EdsConfig",
    "Expose",
    "GuardConfig",
    "LimitsConfig",
    "LogConfig",
    "LogFormat",
    "LogLevel",
    "MergeConfig",
    "MetricsConfig",
    "PerService",
    "RestConfig",
    "ServiceRule",
    "SourceConfig",
    "SourceKeys",
    "TlsConfig",
    "UnmatchedGlob",
    "ViewMatch",
    "ViewRule",
    "XdsConfig",
    "build_adapters",
    "cluster_rules",
    "first_match",
    "json_schema",
    "load",
    "load_admin",
    "merge_notes",
    "merge_policies",
    "unmatched",
]
