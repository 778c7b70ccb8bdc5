"""What every part of the configuration has in common."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from bridge.config.address import ADDRESS_PATTERN, Address, parse_address

ListenAddress = Annotated[
    Address,
    BeforeValidator(parse_address),
    WithJsonSchema({"type": "string", "pattern": ADDRESS_PATTERN}),
]


class Section(BaseModel):
    """What every part of the configuration has in common: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
