import pytest

from xds import Reason, Refused
from xds.server.open_calls import OpenCalls


async def test_each_client_has_its_own_bound() -> None:
    calls = OpenCalls(1)

    async with calls.holding("a"), calls.holding("b"):
        with pytest.raises(Refused, match="a has 1 calls of this kind open") as caught:
            async with calls.holding("a"):
                pass
        assert caught.value.reason is Reason.TOO_MANY
    async with calls.holding("a"):
        pass
