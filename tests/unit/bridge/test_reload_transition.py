import asyncio
import contextlib

from bridge.model import ServiceName
from bridge.reload.transition import CHUNK, copied
from support.guarded import DC1, SCOPE, World


async def test_others_have_their_turn_while_what_is_known_is_copied_and_may_change_it() -> None:
    world, names = World(), [ServiceName(f"s{number}") for number in range(3 * CHUNK)]
    world.read({name: [number] for number, name in enumerate(names)})
    place, turns = (DC1, SCOPE), 0

    async def discard() -> None:
        nonlocal turns
        while True:
            world.registry.discard(place, names[turns])
            world.registry.discard(place, names[-1 - turns])
            world.registry.put(place, ServiceName(f"late-{turns}"), frozenset())
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(discard())
    found = await copied(world.registry)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    assert turns >= 3
    assert [service for _, service, _ in found] == names
    kept = [len(list(part.endpoints())) for _, _, part in found]
    assert kept == [1] * len(names)  # what is missing is held
