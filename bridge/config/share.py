"""A share of something, and the one spelling it has in the configuration."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

SHARE_PATTERN = r"^[0-9]+(\.[0-9]+)?%$"
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%", re.ASCII)


def parse_share(value: object) -> object:
    """Turn the text of a share, such as `50%`, into a number from 0 to 1.

    Raises:
        ValueError: it is something else; the message is for the operator.
    """
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if not found or float(found[1]) > 100:
        shown = f"{value[:60]!r} is not a share; write" if isinstance(value, str) else "a share is"
        raise ValueError(f"{shown} a number from 0 to 100 and a percent sign, such as 50%")
    return float(found[1]) / 100


def share_text(share: float) -> str:
    """How to write a share in the configuration."""
    return f"{share * 100:g}%"


Share = Annotated[
    float, BeforeValidator(parse_share, json_schema_input_type=Annotated[str, Field(pattern=SHARE_PATTERN)])
]
"""A number from 0 to 1, written in the configuration as `50%`."""
