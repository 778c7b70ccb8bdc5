"""`${NAME}` in the texts of the configuration. Values only, never keys; nothing else reads the environment."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Put variables in the place of their names; `$${` stands for `${` itself.

    Raises:
        ValueError: a variable is not set, or what stands in the braces is no name.
    """

    def value(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        if not found[0].endswith("}") or not _NAME.fullmatch(found[1]):
            raise ValueError(f"{found[0]!r} names no environment variable; write $${{ for a literal ${{")
        if found[1] not in environ:
            raise ValueError(f"the environment variable {found[1]} is not set")
        return environ[found[1]]

    return _REFERENCE.sub(value, text)
