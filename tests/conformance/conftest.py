"""Tests against real servers and clients, on an event loop without debug mode as where such tests wait for Envoy."""

import asyncio

import pytest


@pytest.fixture(autouse=True)
async def plain_loop() -> None:
    """Debug mode notes a stack for each future of gRPC and aiohttp: four tenths of what these tests would cost.

    What is ours here runs in debug mode in `tests/unit`.
    """
    asyncio.get_running_loop().set_debug(False)
