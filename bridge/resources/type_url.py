"""Finding the class of a typed configuration by its type URL, `type.googleapis.com/envoy.…`.

envoy-data-plane registers a message when its module is imported, and importing all of it costs seconds; so the module
is found from the name.
"""

import importlib
import pkgutil
from itertools import takewhile

import betterproto2
import envoy_data_plane
from envoy_data_plane.message_pool import default_message_pool

_PREFIX = "type.googleapis.com/"


class UnknownTypeError(LookupError):
    """No message has this type URL."""

    def __init__(self, url: str, candidates: tuple[str, ...]) -> None:
        super().__init__(url)
        self.candidates = candidates
        """Type URLs, or beginnings of some, that differ in the part that is wrong."""


def message_type(url: str) -> type[betterproto2.Message]:
    """The class of the messages with this type URL.

    Raises:
        UnknownTypeError: Envoy 1.40 and its dependencies have no such type.
    """
    names = url.removeprefix(_PREFIX).split(".")
    package = list(takewhile(lambda name: name.isidentifier() and name.islower(), names))
    if not url.startswith(_PREFIX):
        raise UnknownTypeError(url, (_PREFIX + url.rpartition("/")[2],))
    try:
        module = importlib.import_module(".".join([envoy_data_plane.__name__, *package]))
    except ModuleNotFoundError:
        raise UnknownTypeError(url, tuple(_PREFIX + ".".join(near) for near in _neighbours(names))) from None
    if url not in default_message_pool.url_to_type:
        known = default_message_pool.url_to_type.items()
        raise UnknownTypeError(url, tuple(url for url, message in known if message.__module__ == module.__name__))
    return default_message_pool.url_to_type[url]


def _neighbours(names: list[str]) -> list[list[str]]:
    # The name with its first wrong part replaced by each one that exists in its place.
    search = list(envoy_data_plane.__path__)
    for depth, name in enumerate(names):
        children = {module.name: module for module in pkgutil.iter_modules(search) if module.ispkg}
        if name not in children:
            return [[*names[:depth], child, *names[depth + 1 :]] for child in children]
        search = [f"{directory}/{name}" for directory in search]
    return []
