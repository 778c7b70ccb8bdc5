"""A process that writes one state after another, to be killed while it does.

    python -m support.writing DIRECTORY [BYTES]

Each state has a number, the `read` of its source, which is printed once it is written. With BYTES, the kernel kills the
process as soon as a file would have more (RLIMIT_FSIZE in getrlimit(2)).
"""

import dataclasses
import itertools
import resource
import signal
import sys
from pathlib import Path

from bridge.state import State, Store
from support.kept_state import large


def number(state: State | None) -> int:
    """Which one it is; 0 for none."""
    return int(state.sources[0].read or 0) if state else 0


def main(directory: Path, limit: int | None) -> None:
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it otherwise
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    store = Store(directory)
    store.open()
    [source] = large(200, 10).sources
    for following in itertools.count(number(store.load()) + 1):
        store.save(State(sources=(dataclasses.replace(source, read=float(following)),)))
        print(following, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
