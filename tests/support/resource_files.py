"""Serves our resources to an Envoy from files, byte for byte, so that it can be tested without an xDS server.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#filesystem-subscriptions
"""

from itertools import count
from pathlib import Path

from bridge.resources.wire import embedded, number, text
from xds import CLUSTER, ENDPOINT, ResourceType, Snapshot

_V3 = 2  # ApiVersion


class ResourceFiles:
    """A directory that Envoy watches, holding the latest snapshot it was given."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._generation = count(1)

    @property
    def dynamic_resources(self) -> dict[str, object]:
        """`dynamic_resources` of a bootstrap that reads the clusters from here."""
        source = {"path": str(self._path("clusters")), "watched_directory": {"path": str(self._directory)}}
        return {"cds_config": {"path_config_source": source, "resource_api_version": "V3"}}

    def write(self, snapshot: Snapshot) -> None:
        """Replace what is served; Envoy sees it through inotify."""
        for name, resource in snapshot.resources(ENDPOINT.url).items():
            self._replace(f"endpoints-{name}", ENDPOINT, [resource.body])
        clusters = [
            resource.body + self._endpoints_from_file(name)
            for name, resource in snapshot.resources(CLUSTER.url).items()
        ]
        self._replace("clusters", CLUSTER, clusters)

    def _endpoints_from_file(self, name: str) -> bytes:
        # Appended fields are merged, and the last member of a oneof holds: this replaces `ads` and nothing else.
        watched = embedded(2, text(1, str(self._directory)))
        path_config_source = text(1, str(self._path(f"endpoints-{name}"))) + watched
        return embedded(3, embedded(1, embedded(8, path_config_source) + number(6, _V3)))

    def _replace(self, name: str, kind: ResourceType, bodies: list[bytes]) -> None:
        resources = b"".join(embedded(2, text(1, kind.url) + embedded(2, body)) for body in bodies)
        response = text(1, str(next(self._generation))) + resources + text(4, kind.url)
        temporary = self._directory / ".next"
        temporary.write_bytes(response)
        temporary.rename(self._path(name))

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.pb"
