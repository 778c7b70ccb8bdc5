"""What the bridge last knew, kept across a restart in one file of its `state_directory`.

    keeper = Keeper(Store(directory), current, metrics.state, Pace())
    restored = await keeper.open()     # before anything is served: the lock, then what was kept, or None
    group.create_task(keeper.run())    # writes when told by `keeper.changed()`, at most once a second
    await keeper.close(timeout)        # after `run` was cancelled: the last state

`current` is called on the event loop and returns a `State` of immutable values; it is encoded and written in a thread.
A `KnownService` that is handed over again as the same object is not encoded again: keep it until its service changes.

The file is replaced whole: written beside it, on the disk before it takes its name. Its digest covers everything.
What is damaged is set aside as `state.json.bad` and the bridge starts without it; a file of a newer bridge, or of
another user, ends the start. A disk that is full or read-only is logged once, counted, and tried again.
"""

from bridge.state.document import (
    AgreedProtocol,
    Drain,
    Hold,
    KnownEndpoint,
    KnownService,
    KnownSource,
    Pause,
    RetainedCluster,
    State,
)
from bridge.state.keeper import Keeper, Pace, StateObserver
from bridge.state.store import Store

__all__ = [
    "AgreedProtocol",
    "Drain",
    "Hold",
    "Keeper",
    "KnownEndpoint",
    "KnownService",
    "KnownSource",
    "Pace",
    "Pause",
    "RetainedCluster",
    "State",
    "StateObserver",
    "Store",
]
