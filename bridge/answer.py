"""What an admin server answers a command or another replica, and in words why it could not be asked."""

import os
import ssl
from typing import TypeVar

from pydantic import BaseModel

ModelT = TypeVar("ModelT", bound=BaseModel)


class Page(BaseModel):
    """A part of something long."""

    after: str | None
    """What to ask for to have the next page; None on the last one."""


PageT = TypeVar("PageT", bound=Page)


class Refusal(BaseModel):
    """Every answer but a good one."""

    error: str
    losses: tuple[str, ...] = ()
    """What a reload would take, line by line, where that is why."""


def parsed(status: int, body: str | bytes, model: type[ModelT]) -> ModelT | Refusal:
    """What is answered.

    Args:
        status: of HTTP.
        body: JSON.
        model: of a good answer.

    Raises:
        pydantic.ValidationError: no admin server of this version answers so.
    """
    return (model if status == 200 else Refusal).model_validate_json(body)


def reason(error: OSError) -> str:
    """Why a connection failed: what the operating system says, of which asyncio says more, or TLS, or a resolver.

    The last two have numbers of their own.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message.rstrip('.') or error}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason.replace('_', ' ').lower() if error.reason else error}"
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
