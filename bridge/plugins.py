"""Finding adapters by the entry-point group `bridge.adapters`, ours and strangers' alike.

An adapter is imported when it is first asked for: what is not configured costs nothing and can break nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from inspect import iscoroutinefunction
from typing import Never

from bridge.adapter import AdapterConfig, AdapterType
from bridge.errors import ConfigError

GROUP = "bridge.adapters"

RESERVED = frozenset({"name", "type", "required", "allow_empty"})
"""The keys that every source has, whatever its type: an adapter cannot have keys of these names."""


def discover() -> Mapping[str, AdapterType[Never]]:
    """The adapters that are installed, by the `type` a source asks for.

    Raises:
        ConfigError: two distributions offer the same type. Looking one up raises it too, when it cannot be used.
    """
    return Plugins(entry_points(group=GROUP))


class Plugins(Mapping[str, AdapterType[Never]]):
    """Adapters by name, each imported and checked when it is looked up."""

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._points: dict[str, EntryPoint] = {}
        for point in points:
            # One distribution may be seen twice, such as its wheel and the checkout it is run from.
            other = self._points.setdefault(point.name, point)
            if other.value != point.value:
                raise ConfigError(
                    f"adapter type {point.name!r} is offered twice: {_origin(other)} and {_origin(point)}"
                )

    def __getitem__(self, name: str) -> AdapterType[Never]:
        point = self._points[name]
        try:
            plugin: object = point.load()
        except Exception as error:
            what = str(error) if isinstance(error, ImportError | AttributeError) else repr(error)
            raise ConfigError(f"adapter type {name!r} of {_origin(point)} cannot be imported: {what}") from error
        return _checked(plugin, point)

    def __contains__(self, name: object) -> bool:
        return name in self._points  # the inherited one would import the adapter to find out

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._points))

    def __len__(self) -> int:
        return len(self._points)


def _checked(plugin: object, point: EntryPoint) -> AdapterType[Never]:
    if fault := _fault(plugin):
        raise ConfigError(f"adapter type {point.name!r} of {_origin(point)} is no adapter: {fault}")
    return plugin  # type: ignore[return-value]  # checked by hand: a Protocol with a class in it cannot be asked


def _fault(plugin: object) -> str:
    if not isinstance(plugin, type):
        return "it is no class"
    config = getattr(plugin, "Config", None)
    if not (isinstance(config, type) and issubclass(config, AdapterConfig)):
        return "it has no `Config` made from AdapterConfig"
    if taken := sorted(RESERVED & set(config.model_fields)):
        return f"its `Config` uses keys that every source has: {', '.join(taken)}"
    if not iscoroutinefunction(getattr(plugin, "run", None)):
        return "it has no `async def run(self, context)`"
    if not callable(getattr(plugin, "permissions", _fault)):
        return "its `permissions` cannot be called"
    return ""


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} ({point.value})" if point.dist else point.value
