import asyncio
import contextlib

from adapters.consul.pace import TokenBucket


async def passed(bucket: TokenBucket, within: float) -> int:
    """How many get through in a time."""
    count = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while True:
                await bucket.take()
                count += 1
    return count


async def test_burst_passes_at_once_and_no_more() -> None:
    assert await passed(TokenBucket(rate=0.1, burst=3), within=0.05) == 3


async def test_empty_bucket_lets_nothing_through_at_first() -> None:
    assert await passed(TokenBucket(rate=0.1, burst=1, filled=False), within=0.05) == 0


async def test_rate_holds_after_the_burst() -> None:
    assert 1 < await passed(TokenBucket(rate=50, burst=1), within=0.2) <= 12
