"""A disk of a megabyte that only one child process and its own children see, and that goes with them."""

from pathlib import Path

_MOUNT = 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"'


def on_small_disk(directory: Path, *command: str, options: str = "size=1m") -> list[str]:
    """The command, for which a small disk is mounted at a directory; see tmpfs(5) for the options.

    It needs no rights: in a user namespace of one's own everybody may mount a tmpfs (user_namespaces(7)).
    """
    own = ("unshare", "--user", "--map-root-user", "--mount")
    return [*own, "sh", "-c", _MOUNT, "sh", options, str(directory), *command]
