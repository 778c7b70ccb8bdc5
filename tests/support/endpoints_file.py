"""The file that the file source reads, written as an operator's tools would: atomically."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bridge.model import EndpointKey


class EndpointsFile:
    """Services and their endpoints in a file; JSON is YAML."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.services: dict[str, list[dict[str, object]]] = {}
        self.write()

    def source(self, name: str = "local") -> dict[str, object]:
        """The source's configuration."""
        return {"name": name, "type": "file", "path": str(self.path), "interval": "50ms"}

    def set(self, service: str, endpoints: Sequence[EndpointKey], **fields: object) -> None:
        """Replace the endpoints of a service, each with the same further fields."""
        self.services[service] = [{"address": each.address, "port": each.port, **fields} for each in endpoints]
        self.write()

    def replace(self, services: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
        """Replace everything."""
        self.services = {name: [dict(each) for each in endpoints] for name, endpoints in services.items()}
        self.write()

    def write(self) -> None:
        """Write a new file beside the old one and rename it over it."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"services": self.services}))
        fresh.rename(self.path)
