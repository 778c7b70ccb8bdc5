"""The product shown on one machine: backends, sources, the bridge as a child process and a real Envoy.

It stands beside the daemon and is no part of it: it uses the bridge as its users do, by its command and its files.
"""

from bridge.demo.director import run
from bridge.demo.option import DemoError, DemoOptions

__all__ = ["DemoError", "DemoOptions", "run"]
