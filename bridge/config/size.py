"""A number of bytes, and the one spelling it has in the configuration."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

SIZE_PATTERN = r"^[0-9]+(KiB|MiB|GiB)$"
_SIZE = re.compile(r"([0-9]{1,9})(KiB|MiB|GiB)", re.ASCII)
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def parse_size(value: object) -> object:
    """Turn the text of a size, such as `64MiB`, into bytes.

    Raises:
        ValueError: it is something else; the message is for the operator.
    """
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        shown = f"{value[:60]!r} is not a size; write" if isinstance(value, str) else "a size is"
        raise ValueError(f"{shown} a whole number and a unit, such as 64KiB, 16MiB or 1GiB")
    return int(found[1]) * _UNITS[found[2]]


def size_text(count: int) -> str:
    """The shortest way to write so many bytes, a multiple of 1 KiB, in the configuration."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB") if count % _UNITS[unit] == 0)
    return f"{count // _UNITS[unit]}{unit}"


Size = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=Annotated[str, Field(pattern=SIZE_PATTERN)])]
"""Bytes, written in the configuration as `64KiB`, `16MiB` or `1GiB`."""
