"""Finding the class of a typed configuration by its type URL, `type.googleapis.com/envoy.…`.

envoy-data-plane registers a message when its module is imported, and importing all of it costs seconds; so the module
is found from the name.
"""

import importlib
import pkgutil
from types import ModuleType

import betterproto2
import envoy_data_plane
from envoy_data_plane.message_pool import default_message_pool

_PREFIX = "type.googleapis.com/"


class UnknownTypeError(LookupError):
    """No message has this type URL."""

    def __init__(self, url: str, candidates: tuple[str, ...]) -> None:
        super().__init__(url)
        self.candidates = candidates
        """Type URLs, or the beginnings of some, that differ in the part that is wrong."""


def message_type(url: str) -> type[betterproto2.Message]:
    """The class of the messages with this type URL.

    Raises:
        UnknownTypeError: Envoy 1.40 and its dependencies have no such type.
    """
    package, names = envoy_data_plane, url.removeprefix(_PREFIX).split(".")
    if not url.startswith(_PREFIX):
        raise UnknownTypeError(url, (_PREFIX + url.rpartition("/")[2],))
    for depth, name in enumerate(names):
        if name[:1].isupper():
            break
        children = _children(package)
        if name not in children:
            candidates = (_PREFIX + ".".join([*names[:depth], child, *names[depth + 1 :]]) for child in children)
            raise UnknownTypeError(url, tuple(candidates))
        package = importlib.import_module(f"{package.__name__}.{name}")
    if url not in default_message_pool.url_to_type:
        raise UnknownTypeError(url, _siblings(package))
    return default_message_pool.url_to_type[url]


def _children(package: ModuleType) -> tuple[str, ...]:
    return tuple(module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg)


def _siblings(package: ModuleType) -> tuple[str, ...]:
    return tuple(
        url for url, message in default_message_pool.url_to_type.items() if message.__module__ == package.__name__
    )
