"""Configurations written as an operator would, read as the bridge does."""

import json
from pathlib import Path

from bridge import plugins
from bridge.config import Config, load

Json = dict[str, object]


class Configured:
    """Reads configurations from a file in a directory of the test."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "bridge.yaml"

    def __call__(self, *sources: Json, **more: object) -> Config:
        """A configuration with these sources and further keys."""
        self.path.write_text(json.dumps({"sources": list(sources), **more}))
        return self.read()

    def read(self) -> Config:
        """What the file says."""
        return load(self.path, {}, plugins.discover())


def file(name: str, path: str = "/x.yaml", **more: object) -> Json:
    """A source of type `file`."""
    return {"name": name, "type": "file", "path": path, **more}
