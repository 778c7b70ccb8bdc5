"""Waiting for a condition with a deadline: the only way in which a test lets time pass."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def eventually(predicate: Callable[[], bool | Awaitable[bool]], *, timeout: float = 10.0, what: str = "") -> None:
    """Return as soon as `predicate` holds; fail the test when it has not held within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        outcome = predicate()
        if inspect.isawaitable(outcome):
            outcome = await outcome
        if outcome:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or inspect.getsource(predicate).strip()}")
        await asyncio.sleep(0.025)
